import test from 'ava'
import { findZig } from '../../scripts/build/zig.mjs'

test('a host that cannot run Zig is told how to build a release', async (t) => {
  for (const host of [
    { platform: 'linux', arch: 'arm64' },
    { platform: 'darwin', arch: 'arm64' },
  ]) {
    await t.throwsAsync(findZig(host), {
      message: /only available for Linux on x64: .*glibc 2\.28/,
    })
  }
})
