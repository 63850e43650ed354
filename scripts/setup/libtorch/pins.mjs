import { CUDA_WHEELS } from '../../../src/cuda/wheel-pins.js'
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
 * @property {number} unpackedBytes size of the unpacked files
 * @property {readonly string[]} pipDownloadArgs options of `pip download` that select these wheels
 * @property {string} [zipUrl] PyTorch's CPU build of libtorch, where PyTorch publishes one
 */

/**
 * Wheels per platform. On Linux, PyTorch's wheel is the CUDA build (elsewhere the CPU build). Even
 * without a GPU, its libraries need libcudart and libcupti to load, and its headers need
 * nvidia-cuda-crt to compile.
 * The Python version is fixed, so that every machine downloads the same file; libtorch and its
 * headers do not depend on the Python version.
 *
 * @type {Readonly<Record<string, LibtorchPins>>}
 */
const PINS = {
  'linux-x64-gnu': {
    wheels: [
      cudaWheel('linux-x64-gnu', 'torch'),
      cudaWheel('linux-x64-gnu', 'nvidia-cuda-runtime'),
      cudaWheel('linux-x64-gnu', 'nvidia-cuda-cupti'),
      {
        requirement: 'nvidia-cuda-crt==13.0.88',
        file: 'nvidia_cuda_crt-13.0.88-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
        bytes: 134_086,
        sha256: '2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4',
      },
    ],
    unpackedBytes: 503_000_000,
    pipDownloadArgs: pipDownloadArgs(
      'manylinux_2_28_x86_64',
      'manylinux_2_25_x86_64',
      'manylinux2014_x86_64',
    ),
    zipUrl: `${DOWNLOADS}/libtorch-shared-with-deps-${LIBTORCH_VERSION}%2Bcpu.zip`,
  },
  'linux-arm64-gnu': {
    wheels: [
      cudaWheel('linux-arm64-gnu', 'torch'),
      cudaWheel('linux-arm64-gnu', 'nvidia-cuda-runtime'),
      cudaWheel('linux-arm64-gnu', 'nvidia-cuda-cupti'),
      {
        requirement: 'nvidia-cuda-crt==13.0.88',
        file: 'nvidia_cuda_crt-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl',
        bytes: 134_086,
        sha256: 'ee2ea2a97073e02ee62bb27841f437332be2c248e3eac013df07997ada39c003',
      },
    ],
    unpackedBytes: 344_000_000,
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
    unpackedBytes: 257_000_000,
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
    unpackedBytes: 339_000_000,
    pipDownloadArgs: pipDownloadArgs('win_amd64'),
    zipUrl: `${DOWNLOADS}/libtorch-win-shared-with-deps-${LIBTORCH_VERSION}%2Bcpu.zip`,
  },
}

/** Sources of libtorch for the platform that is built for; undefined on an unsupported platform. */
export const LIBTORCH_PINS = PINS[PLATFORM_NAME]

/**
 * Returns a wheel that `residual setup --cuda` installs too.
 *
 * @param {string} platform
 * @param {string} project
 * @returns {Wheel}
 */
function cudaWheel(platform, project) {
  const pinned = CUDA_WHEELS[platform]?.find((wheel) => wheel.project === project)
  const [build] = pinned?.builds ?? []
  if (pinned === undefined || build === undefined || build.bytes === null) {
    throw new Error(`src/cuda/wheel-pins.js has no ${project} for ${platform}`)
  }
  const { file, bytes, sha256 } = build
  return { requirement: `${project}==${pinned.version}`, file, bytes, sha256 }
}

/** @param {readonly string[]} tags platform tags of the wheels */
function pipDownloadArgs(...tags) {
  return [
    ...['--implementation', 'cp', '--python-version', '3.11', '--abi', 'cp311', '--abi', 'none'],
    ...tags.flatMap((tag) => ['--platform', tag]),
  ]
}
