import { PLATFORM_NAME } from '../platform.mjs'

/** The version of libtorch that tch 0.24.0 binds; upgrade both together. */
export const LIBTORCH_VERSION = '2.11.0'

/** Name of the installation in the cache: version, device, platform and architecture. */
export const INSTALL_NAME = `${LIBTORCH_VERSION}-cpu-${process.platform}-${process.arch}`

/** @typedef {import('../download/wheels.mjs').Wheel} Wheel */

/**
 * Sources of libtorch for one platform.
 *
 * @typedef {object} LibtorchPins
 * @property {readonly Wheel[]} wheels PyTorch's wheel and the wheels that it needs to load and compile
 * @property {readonly string[]} pipDownloadArgs options of `pip download` that select these wheels
 * @property {string} zipUrl PyTorch's CPU build of libtorch
 */

/**
 * Wheels per platform. On Linux, PyTorch's wheel is the CUDA build. Even without a GPU, its
 * libraries need libcudart and libcupti to load, and its headers need nvidia-cuda-crt to compile.
 * The Python version is fixed, so that every machine downloads the same file; libtorch and its
 * headers do not depend on the Python version.
 *
 * @type {Readonly<Record<string, LibtorchPins>>}
 */
const PINS = {
  'linux-x64-gnu': {
    wheels: [
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
    ],
    pipDownloadArgs: [
      ...['--implementation', 'cp', '--python-version', '3.11', '--abi', 'cp311', '--abi', 'none'],
      ...['manylinux_2_28_x86_64', 'manylinux_2_25_x86_64', 'manylinux2014_x86_64'].flatMap(
        (platform) => ['--platform', platform],
      ),
    ],
    zipUrl: `https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-${LIBTORCH_VERSION}%2Bcpu.zip`,
  },
}

/** Sources of libtorch for this machine; undefined on an unsupported platform. */
export const LIBTORCH_PINS = PINS[PLATFORM_NAME]
