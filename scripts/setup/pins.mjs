/** The one libtorch that tch 0.24.0 builds against; the two move together. */
export const LIBTORCH_VERSION = '2.11.0'

/** What this install of it is called in the cache: the version, and what of it is kept. */
export const INSTALL_NAME = `${LIBTORCH_VERSION}-cpu-linux-x64`

/**
 * One wheel: what pip is asked for and exactly what it must answer with.
 * @typedef {{ requirement: string, file: string, bytes: number, sha256: string }} Wheel
 */

/**
 * PyTorch's wheel and the parts of CUDA that it cannot be loaded (cudart, cupti) or compiled (crt)
 * without, even on a machine that has no GPU. Any Python's wheel holds the same libtorch; this is
 * asked for by tag, whatever Python pip runs on, so that everyone gets the same bytes.
 *
 * @type {readonly Wheel[]}
 */
export const WHEELS = [
  {
    requirement: 'torch==2.11.0',
    file: 'torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl',
    bytes: 530_604_548,
    sha256: '7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a',
  },
  {
    requirement: 'nvidia-cuda-runtime==13.0.96',
    file: 'nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
    bytes: 2_243_632,
    sha256: '7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548',
  },
  {
    requirement: 'nvidia-cuda-cupti==13.0.85',
    file: 'nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl',
    bytes: 10_715_597,
    sha256: '4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8',
  },
  {
    requirement: 'nvidia-cuda-crt==13.0.88',
    file: 'nvidia_cuda_crt-13.0.88-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
    bytes: 134_086,
    sha256: '2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4',
  },
]

/** The tags of the wheels above, as pip's options. */
export const WHEEL_TAGS = [
  ...['--implementation', 'cp', '--python-version', '3.11', '--abi', 'cp311', '--abi', 'none'],
  ...['manylinux_2_28_x86_64', 'manylinux_2_25_x86_64', 'manylinux2014_x86_64'].flatMap(
    (platform) => ['--platform', platform],
  ),
]

/** PyTorch's own build of libtorch without CUDA. */
export const SITE_URL = `https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-${LIBTORCH_VERSION}%2Bcpu.zip`
