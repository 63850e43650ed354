import test from 'ava'
import { toProgram } from '../../scripts/setup/command.mjs'

test('on Windows, npm and npx are started as JavaScript', (t) => {
  const host = { platform: 'win32', execPath: String.raw`C:\Program Files\nodejs\node.exe` }
  t.deepEqual(toProgram('npx', ['--offline', 'residual'], host), [
    host.execPath,
    [
      String.raw`C:\Program Files\nodejs\node_modules\npm\bin\npx-cli.js`,
      ...['--offline', 'residual'],
    ],
  ])
  t.deepEqual(toProgram('cargo', ['build'], host), ['cargo', ['build']])
  t.deepEqual(toProgram('npm', ['ci'], { ...host, platform: 'linux' }), ['npm', ['ci']])
})
