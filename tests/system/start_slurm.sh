#!/usr/bin/env bash
# A SLURM of one node on this machine: start_slurm.sh FOLDER.  Says "ready" when it takes jobs, and ends with its standard input.
# Needs root and Debian's slurmctld, slurmd, slurm-client and munge; listens on the loopback interface only.
set -euo pipefail

folder=$(realpath "$1")
host=$(hostname -s)
cores=$(nproc)
memory=$(awk '/^MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
mkdir -p "$folder"/{state,spool,munge,log}
chmod 755 "$folder"
export SLURM_CONF="$folder/slurm.conf"

cat > "$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CryptoType=crypto/munge
CommunicationParameters=NoAddrCache,NoInAddrAny,NoCtldInAddrAny
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld
SlurmdLogFile=$folder/log/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cores RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF

running=()
trap 'kill "${running[@]}" 2> /dev/null || true; wait' EXIT

head -c 1024 /dev/urandom > "$folder/munge/key"
chown -R munge: "$folder/munge"
chmod 700 "$folder/munge/key"
chmod 711 "$folder/munge"
setpriv --reuid=munge --regid=munge --clear-groups munged --foreground --force --key-file "$folder/munge/key" \
    --socket "$folder/munge/socket" --pid-file "$folder/munge/pid" --log-file "$folder/munge/log" \
    --seed-file "$folder/munge/seed" &
running+=($!)
until [ -S "$folder/munge/socket" ]; do sleep 0.1; done
slurmctld -D -i -f "$SLURM_CONF" &
running+=($!)
slurmd -D -N "$host" -f "$SLURM_CONF" &
running+=($!)

until sinfo --noheader --format=%T 2> /dev/null | grep -q idle; do
    sleep 0.5
    for pid in "${running[@]}"; do kill -0 "$pid"; done
done
echo ready
cat > /dev/null # until whoever started this is gone
