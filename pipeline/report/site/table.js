"use strict";
// Search, filter and sort the rows that the page holds.  Without this script the table is whole, in the order of keys.
const table = document.querySelector("table.all");
const form = document.querySelector(".filters");
const body = table.tBodies[0];
const rows = [...body.rows];
const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
const filter = () => {
  const wanted = form.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const fits =
      (!form.status.value || row.dataset.status === form.status.value) &&
      (!form.reason.value || row.dataset.reason === form.reason.value) &&
      wanted.every((word) => words.get(row).includes(word));
    row.hidden = !fits;
    shown += fits;
  }
  form.querySelector("output").textContent = `${shown} of ${rows.length}`;
};
const valueOf = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
const sort = (head, column) => {
  const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
  const isNumber = head.classList.contains("number");
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return direction * (isNumber ? a - b : a.localeCompare(b));
  };
  body.append(...[...rows].sort((a, b) => compare(valueOf(a, column), valueOf(b, column))));
};
for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => sort(head, column));
}
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
filter();
