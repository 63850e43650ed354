// Platforms with prebuilt packages: the only platform table, which the native loader, `residual
// doctor`, setup, build, pack and release read. A JavaScript module, because setup imports it on Node
// 20 before `tsc` runs; platform.ts is its typed interface for the rest of src.

/**
 * @typedef {object} Platform
 * @property {NodeJS.Platform} os `process.platform`
 * @property {NodeJS.Architecture} cpu `process.arch`
 * @property {'glibc' | undefined} libc C library that the package needs; undefined outside Linux
 * @property {string} title name in messages and package descriptions
 * @property {string} rustTarget target triple of the addons
 * @property {readonly [number, number] | undefined} minGlibc oldest glibc that libtorch supports
 * @property {'elf' | 'mach-o' | 'pe'} libraryFormat file format of libraries
 * @property {number} rtldNoDelete value of `RTLD_NODELETE`, which Node does not export; 0 on
 *   Windows, which has no such flag
 * @property {string} librarySearchPath environment variable with the dynamic loader's search path
 * @property {LibtorchPackage} libtorch
 * @property {string | undefined} cudaLibrary file of the CUDA shim; undefined without CUDA
 */

/**
 * @typedef {object} LibtorchPackage
 * @property {string} name name of the npm package in the scope `@residual`
 * @property {string} library file of the CPU library, in the package's `lib` folder
 */

/**
 * Platforms by the name of their addon package in the scope `@residual`.
 *
 * @type {Readonly<Record<string, Platform>>}
 */
export const PREBUILT_PLATFORMS = {
  'linux-x64-gnu': {
    os: 'linux',
    cpu: 'x64',
    libc: 'glibc',
    title: 'Linux on x64 with glibc',
    rustTarget: 'x86_64-unknown-linux-gnu',
    minGlibc: [2, 28], // manylinux_2_28, which PyTorch's wheels are built for
    libraryFormat: 'elf',
    rtldNoDelete: 0x1000,
    librarySearchPath: 'LD_LIBRARY_PATH',
    libtorch: { name: 'libtorch-linux-x64', library: 'libtorch_cpu.so' },
    cudaLibrary: 'residual-cuda.so',
  },
  'linux-arm64-gnu': {
    os: 'linux',
    cpu: 'arm64',
    libc: 'glibc',
    title: 'Linux on arm64 with glibc',
    rustTarget: 'aarch64-unknown-linux-gnu',
    minGlibc: [2, 28],
    libraryFormat: 'elf',
    rtldNoDelete: 0x1000,
    librarySearchPath: 'LD_LIBRARY_PATH',
    libtorch: { name: 'libtorch-linux-arm64', library: 'libtorch_cpu.so' },
    cudaLibrary: 'residual-cuda.so',
  },
  'darwin-arm64': {
    os: 'darwin',
    cpu: 'arm64',
    libc: undefined,
    title: 'macOS on Apple silicon',
    rustTarget: 'aarch64-apple-darwin',
    minGlibc: undefined,
    libraryFormat: 'mach-o',
    rtldNoDelete: 0x80,
    librarySearchPath: 'DYLD_LIBRARY_PATH',
    libtorch: { name: 'libtorch-darwin-arm64', library: 'libtorch_cpu.dylib' },
    cudaLibrary: undefined,
  },
  'win32-x64-msvc': {
    os: 'win32',
    cpu: 'x64',
    libc: undefined,
    title: 'Windows on x64',
    rustTarget: 'x86_64-pc-windows-msvc',
    minGlibc: undefined,
    libraryFormat: 'pe',
    rtldNoDelete: 0,
    librarySearchPath: 'PATH',
    libtorch: { name: 'libtorch-win32-x64', library: 'torch_cpu.dll' },
    cudaLibrary: undefined,
  },
}

/** File names of the addons in each platform package. */
export const ADDON_FILES = { core: 'residual.node', torch: 'residual-torch.node' }

/**
 * Returns the name of a platform, as in the name of its package: Rust's name of the ABI follows
 * where a platform has several.
 *
 * @param {Pick<Platform, 'os' | 'cpu'>} machine
 * @param {boolean} isGlibc ignored outside Linux
 */
export function platformName({ os, cpu }, isGlibc) {
  if (os === 'linux') return `linux-${cpu}-${isGlibc ? 'gnu' : 'musl'}`
  return os === 'win32' ? `win32-${cpu}-msvc` : `${os}-${cpu}`
}

/** @type {{ version: string | undefined } | undefined} */
let glibc

/**
 * Returns the version of glibc that Node runs on, such as `2.36`; undefined on musl (Alpine) and
 * outside Linux.
 *
 * @returns {string | undefined}
 */
export function glibcVersion() {
  glibc ??= { version: readGlibcVersion() }
  return glibc.version
}

function readGlibcVersion() {
  if (process.platform !== 'linux') return undefined
  // Otherwise the report resolves the host names of all open sockets. The property is missing in
  // Node 20's types.
  Object.assign(process.report, { excludeNetwork: true })
  const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (
    process.report.getReport()
  )
  return header.glibcVersionRuntime
}

/**
 * Returns the name of the platform that this process runs on, also if there is no package for it.
 *
 * @returns {string}
 */
export function currentPlatform() {
  const { platform: os, arch: cpu } = process
  return platformName({ os, cpu }, glibcVersion() !== undefined)
}
