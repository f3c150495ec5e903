"use strict";
// The slices of a view lie beside each other in one picture: a slider moves it behind its window.  Without this script
// the middle slices are shown.
for (const viewer of document.querySelectorAll(".viewer")) {
  const views = [...viewer.querySelectorAll(".view")];
  for (const view of views) {
    const strip = view.querySelector("img");
    const slider = view.querySelector("input");
    const words = view.querySelector("output");
    const places = view.dataset.places.split(" ");
    const show = () => {
      const index = Number(slider.value);
      strip.style.transform = `translateX(${(-100 * index) / places.length}%)`;
      words.textContent = `${index + 1} of ${places.length}, ${places[index]} mm`;
      slider.setAttribute("aria-valuetext", words.textContent);
    };
    slider.addEventListener("input", show);
    slider.hidden = places.length < 2;
    show(); // a browser that comes back to the page may keep the slider where it was
  }
  const choose = (radio) => {
    for (const view of views) view.querySelector("img").src = `${view.dataset.view}-${radio.value}.jpg`;
  };
  for (const radio of viewer.querySelectorAll("input[type=radio]")) {
    radio.addEventListener("change", () => choose(radio));
    if (radio.checked && !radio.defaultChecked) choose(radio);
  }
}
// A browser cannot stop an animated picture: a still of it is laid in its place.
for (const button of document.querySelectorAll(".pause")) {
  const images = [...button.closest(".moving").querySelectorAll("img")];
  button.hidden = false;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const toggle = () => {
    const runs = !images[0].hidden;
    for (const image of images) {
      if (runs) {
        const canvas = document.createElement("canvas");
        canvas.width = image.width;
        canvas.height = image.height;
        canvas.getContext("2d").drawImage(image, 0, 0, image.width, image.height);
        image.after(canvas);
      } else {
        image.nextElementSibling.remove();
      }
      image.hidden = runs;
    }
    button.textContent = runs ? "Play" : "Pause";
  };
  button.addEventListener("click", toggle);
  if (still) addEventListener("load", toggle);
}
