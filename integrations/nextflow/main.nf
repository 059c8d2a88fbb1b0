// Denoises one OME-Zarr volume by many processes of Nextflow:
//
//   nextflow run integrations/nextflow --volume big.zarr --output big-denoised.zarr --parts 64
//
// The result is written where --output says, not into Nextflow's work folders: its parts
// belong to one store. Both paths must be the same for every process.

params.volume = null
params.output = null
params.parts = 16

process adapt {
    output:
    path 'adapted.safetensors'

    script:
    """
    napari-mpi denoise '${params.volume}' -o adapted.safetensors --adapt-only --quiet
    """
}

process part {
    errorStrategy 'retry'
    maxRetries 3

    input:
    val number
    path adapted

    output:
    val number

    script:
    """
    napari-mpi denoise '${params.volume}' -o '${params.output}' --adapted ${adapted} \
        --part ${number}/${params.parts} --quiet
    """
}

process finish {
    input:
    val numbers

    script:
    """
    napari-mpi denoise '${params.volume}' -o '${params.output}' --finish --quiet
    """
}

workflow {
    adapted = adapt()
    numbers = Channel.of(1..params.parts)
    finish(part(numbers, adapted.first()).collect())
}
