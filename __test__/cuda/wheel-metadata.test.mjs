import test from 'ava'
import { cudaRequirements, parseMetadata } from '../../scripts/cuda-wheels/metadata.mjs'
import { CUDA_WHEELS } from '../../src/cuda/wheel-pins.js'

const METADATA = `Metadata-Version: 2.4
Name: torch
Version: 2.11.0
License: BSD-3-Clause
Requires-Dist: filelock
Requires-Dist: cuda-toolkit[cublas, cudart]==13.0.2; platform_system == "Linux"
Requires-Dist: nvidia-cudnn-cu13==9.19.0.56; platform_system == "Linux"
Requires-Dist: nvidia-windows==1.0; platform_system == "Windows"
Requires-Dist: nvidia-cublas==13.1.0.3.*; (sys_platform == 'linux' or sys_platform == 'win32') and extra == 'cublas'
Requires-Dist: triton==3.6.0; platform_system == "Linux"

Requires-Dist: nvidia-in-the-description==1
`

test('selects the required CUDA libraries by their markers', (t) => {
  const metadata = parseMetadata(METADATA)
  t.is(metadata.version, '2.11.0')
  t.is(metadata.license, 'BSD-3-Clause')
  t.deepEqual(cudaRequirements(metadata), [
    { project: 'cuda-toolkit', version: '13.0.2', extras: ['cublas', 'cudart'] },
    { project: 'nvidia-cudnn-cu13', version: '9.19.0.56', extras: [] },
  ])
  t.deepEqual(
    cudaRequirements(metadata, ['cublas']).find(({ project }) => project === 'nvidia-cublas'),
    { project: 'nvidia-cublas', version: '13.1.0.3', extras: [] },
  )
})

test('rejects requirements and markers that cannot be interpreted', (t) => {
  /** @param {string} requirement */
  const fails = (requirement) => {
    const metadata = { version: '', license: '', requirements: [requirement] }
    t.throws(() => cudaRequirements(metadata))
  }
  fails('nvidia-x>=1')
  fails('nvidia-x==1; python_version < "3.9"')
  fails('nvidia-x==1; platform_system == "Linux" garbage')
})

test('the pinned wheels have checksums, sizes and the libraries that libtorch loads', (t) => {
  for (const [platform, wheels] of Object.entries(CUDA_WHEELS)) {
    const processor = platform.includes('arm64') ? 'aarch64' : 'x86_64'
    const projects = wheels.map(({ project }) => project)
    for (const name of ['torch', 'nvidia-cublas', 'nvidia-cudnn-cu13', 'nvidia-nccl-cu13']) {
      t.true(projects.includes(name), name)
    }
    for (const { builds, installedBytes } of wheels) {
      t.true(installedBytes > 0)
      t.truthy(builds[0]?.bytes)
      for (const { file, sha256 } of builds) {
        t.true(file.endsWith(`${processor}.whl`), file)
        t.regex(sha256, /^[0-9a-f]{64}$/)
      }
    }
  }
})
