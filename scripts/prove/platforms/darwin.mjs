import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { findCargoZigbuild, findZig } from '../../build/zig.mjs'
import { run } from '../../setup/command.mjs'
import { BuildError } from '../../setup/error.mjs'
import { PLATFORM, PLATFORM_NAME } from '../../setup/platform.mjs'
import { ROOT, setup } from '../../setup.mjs'

/**
 * Flags of the C++ compiler: the name mangling of the compiler that built libtorch, and no
 * attributes of Apple's SDK, which Zig does not contain.
 */
const CXX_FLAGS = [
  '-fclang-abi-compat=17',
  '-U_LIBCPP_DISABLE_AVAILABILITY',
  '-D_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS=1',
].join(' ')

/** Start of a 64-bit Mach-O file for arm64: magic number and type of the processor. */
const MACH_O_ARM64 = 'cffaedfe0c000001'

/**
 * Links both addons of macOS on Linux x64; checks the format and the dependencies of the results.
 */
export async function linkDarwin() {
  const { libtorch } = await setup()
  const target = PLATFORM.rustTarget
  const added = await run('rustup', ['target', 'add', target])
  if (added.status !== 0) throw new BuildError(`rustup target add failed:\n${added.stderr.trim()}`)
  const [zig, zigbuild] = [await findZig(), await findCargoZigbuild()]
  const targetDir = join(ROOT, 'target', PLATFORM_NAME)
  await mkdir(targetDir, { recursive: true })
  // cargo-zigbuild does not read nested keys of `--config`.
  const config = join(targetDir, 'config.toml')
  const value = JSON.stringify(libtorch)
  await writeFile(config, `[env]\nLIBTORCH = { value = ${value}, force = true }\n`)
  const env = {
    ...process.env,
    PATH: [dirname(zigbuild), process.env.PATH].join(delimiter),
    CARGO_ZIGBUILD_ZIG_PATH: zig,
    CXXFLAGS_aarch64_apple_darwin: CXX_FLAGS,
    // Node provides the symbols of Node-API.
    RUSTFLAGS: '-C link-arg=-undefined -C link-arg=dynamic_lookup',
  }
  for (const addon of ['core', 'torch']) {
    const args = ['zigbuild', '--config', config, '--release', '--target', target]
    const { status } = await run(
      'cargo',
      [...args, '--target-dir', targetDir, '--package', `residual-node-${addon}`],
      { cwd: ROOT, env, output: 'show' },
    )
    // Zig writes this file when the build script of residual-torch asks for the compiler's name.
    await rm(join(ROOT, 'crates', 'torch', 'a.o'), { force: true })
    if (status !== 0) throw new BuildError(`cargo zigbuild failed (exit status ${status})`)
    const file = join(targetDir, target, 'release', `libresidual_node_${addon}.dylib`)
    const content = await readFile(file)
    if (content.toString('hex', 0, 8) !== MACH_O_ARM64) {
      throw new BuildError(`${file} is not a Mach-O library for arm64`)
    }
    if (content.includes('@rpath/libtorch_cpu.dylib') !== (addon === 'torch')) {
      throw new BuildError(`${file} does not depend on the expected libraries`)
    }
    process.stdout.write(`${file}: Mach-O for arm64, ${(content.length / 1e6).toFixed(1)} MB\n`)
  }
}
