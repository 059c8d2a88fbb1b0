#!/usr/bin/env bash
# Denoises one OME-Zarr volume by many jobs of SLURM:
#
#   bash integrations/slurm/denoise.sh big.zarr big-denoised.zarr 64
#
# One job adapts to the volume, then 64 jobs do a part each, in any order and at the same
# time. Whichever ends last finishes the result; the job that comes after them all sees to
# it that it is finished. A part that fails can be submitted again: what is done is not
# done twice. Partition, account and GPU are yours to add, such as SBATCH_PARTITION=gpu.
set -euo pipefail

volume=$1
output=$2
parts=$3
adapted=${output%.zarr}.safetensors
denoise="napari-mpi denoise '$volume' --quiet"

adapt=$(sbatch --parsable --job-name=adapt --time=1:00:00 \
  --wrap="$denoise -o '$adapted' --adapt-only")
part=$(sbatch --parsable --job-name=part --time=8:00:00 --array="1-$parts" \
  --dependency="afterok:$adapt" --requeue \
  --wrap="$denoise -o '$output' --adapted '$adapted' --part \$SLURM_ARRAY_TASK_ID/$parts")
sbatch --parsable --job-name=finish --time=4:00:00 --dependency="afterok:$part" \
  --wrap="$denoise -o '$output' --finish"
