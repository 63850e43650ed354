import { PLATFORM, PLATFORM_NAME } from '../platform.mjs'

/** The version of libtorch that tch 0.24.0 binds; upgrade both together. */
export const LIBTORCH_VERSION = '2.11.0'

/** Name of the installation in the cache: version, device, platform and architecture. */
export const INSTALL_NAME = `${LIBTORCH_VERSION}-cpu-${PLATFORM.os}-${PLATFORM.cpu}`

/** Folder of PyTorch's CPU builds of libtorch. */
const DOWNLOADS = 'https://download.pytorch.org/libtorch/cpu'

/** @typedef {import('../download/wheels.mjs').Wheel} Wheel */

/**
 * Sources of libtorch for one platform.
 *
 * @typedef {object} LibtorchPins
 * @property {readonly Wheel[]} wheels PyTorch's wheel and the wheels that it needs to load and compile
 * @property {readonly string[]} pipDownloadArgs options of `pip download` that select these wheels
 * @property {string} [zipUrl] PyTorch's CPU build of libtorch, where PyTorch publishes one
 */

/**
 * Wheels per platform. On Linux, PyTorch's wheel is the CUDA build (elsewhere the CPU build). Even without a GPU, its
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
    pipDownloadArgs: pipDownloadArgs(
      'manylinux_2_28_x86_64',
      'manylinux_2_25_x86_64',
      'manylinux2014_x86_64',
    ),
    zipUrl: `${DOWNLOADS}/libtorch-shared-with-deps-${LIBTORCH_VERSION}%2Bcpu.zip`,
  },
  'linux-arm64-gnu': {
    wheels: [
      {
        requirement: 'torch==2.11.0',
        file: 'torch-2.11.0-cp311-cp311-manylinux_2_28_aarch64.whl',
        bytes: 419_718_178,
        sha256: 'd91aac77f24082809d2c5a93f52a5f085032740a1ebc9252a7b052ef5a4fddc6',
      },
      {
        requirement: 'nvidia-cuda-runtime==13.0.96',
        file: 'nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl',
        bytes: 2_261_060,
        sha256: 'ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55',
      },
      {
        requirement: 'nvidia-cuda-cupti==13.0.85',
        file: 'nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_aarch64.whl',
        bytes: 10_310_827,
        sha256: '796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151',
      },
      {
        requirement: 'nvidia-cuda-crt==13.0.88',
        file: 'nvidia_cuda_crt-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl',
        bytes: 134_086,
        sha256: 'ee2ea2a97073e02ee62bb27841f437332be2c248e3eac013df07997ada39c003',
      },
    ],
    pipDownloadArgs: pipDownloadArgs(
      'manylinux_2_28_aarch64',
      'manylinux_2_25_aarch64',
      'manylinux2014_aarch64',
    ),
  },
  'darwin-arm64': {
    wheels: [
      {
        requirement: 'torch==2.11.0',
        file: 'torch-2.11.0-cp311-cp311-macosx_11_0_arm64.whl',
        bytes: 80_529_712,
        sha256: '7b6a60d48062809f58595509c524b88e6ddec3ebe25833d6462eeab81e5f2ce4',
      },
    ],
    pipDownloadArgs: pipDownloadArgs('macosx_11_0_arm64'),
    zipUrl: `${DOWNLOADS}/libtorch-macos-arm64-${LIBTORCH_VERSION}.zip`,
  },
  'win32-x64-msvc': {
    wheels: [
      {
        requirement: 'torch==2.11.0',
        file: 'torch-2.11.0-cp311-cp311-win_amd64.whl',
        bytes: 114_519_675,
        sha256: '73e24aaf8f36ab90d95cd1761208b2eb70841c2a9ca1a3f9061b39fc5331b708',
      },
    ],
    pipDownloadArgs: pipDownloadArgs('win_amd64'),
    zipUrl: `${DOWNLOADS}/libtorch-win-shared-with-deps-${LIBTORCH_VERSION}%2Bcpu.zip`,
  },
}

/** Sources of libtorch for the platform that is built for; undefined on an unsupported platform. */
export const LIBTORCH_PINS = PINS[PLATFORM_NAME]

/** @param {readonly string[]} tags platform tags of the wheels */
function pipDownloadArgs(...tags) {
  return [
    ...['--implementation', 'cp', '--python-version', '3.11', '--abi', 'cp311', '--abi', 'none'],
    ...tags.flatMap((tag) => ['--platform', tag]),
  ]
}
