import test from 'ava'
import { ResidualError } from 'residual'
import { readNetrc } from '#dist/cuda/sources/netrc.js'
import { type PipEnvironment, readPipConfig } from '#dist/cuda/sources/pip-config.js'
import { resolveWheelSources } from '#dist/cuda/sources/wheel-sources.js'
import type { System } from '#dist/native/system.js'

/** Returns a machine that has only the given files. */
function machine(files: Record<string, string>): System {
  return {
    read: (path) => files[path],
    list: () => [],
    exists: (path) => path in files,
    run: async () => undefined,
  }
}

function config(files: Record<string, string>, from: Partial<PipEnvironment> = {}) {
  return readPipConfig(machine(files), { env: {}, home: '/home/a', prefix: '/venv', ...from })
}

test('later configuration files of pip take precedence, and variables over all', (t) => {
  const files: Record<string, string> = {}
  const cases: [string, string][] = [
    ['/etc/xdg/pip/pip.conf', '[global]\nindex-url = https://xdg/simple\n'],
    ['/etc/pip.conf', '[global]\nindex-url: https://etc/simple\n'],
    ['/home/a/.pip/pip.conf', '[global]\nindex_url=https://old-user/simple\n'],
    ['/home/a/.config/pip/pip.conf', '[global]\nINDEX-URL = https://user/simple\n'],
    ['/venv/pip.conf', '\ufeff[global]\r\nindex-url = https://venv/simple\r\n'],
  ]
  t.is(config(files).indexUrl, undefined)
  for (const [path, text] of cases) {
    files[path] = text
    t.is(config(files).indexUrl, /https:\S+/.exec(text)?.[0])
  }
  files['/named'] = '[global]\nextra-index-url = https://named/simple\n'
  const named = config(files, { env: { PIP_CONFIG_FILE: '/named' } })
  // As in pip, a named file replaces those of the user.
  t.deepEqual(
    [named.indexUrl, named.extraIndexUrls],
    ['https://venv/simple', ['https://named/simple']],
  )
  const env = { PIP_INDEX_URL: 'https://env/simple', PIP_EXTRA_INDEX_URL: '' }
  t.is(config(files, { env }).indexUrl, 'https://env/simple')
  t.is(config(files, { env: { PIP_CONFIG_FILE: '/dev/null' } }).indexUrl, undefined)
})

test('reads lists, comments, sections and switches as pip does', (t) => {
  const text = `
# a comment
[global]
index-url = https://a/simple
; another comment
extra-index-url =
    https://b/simple
    # inside
    https://c/simple
trusted-host = a
[download]
index-url = https://download/simple
no-index = yes
[install]
find-links = /wheels
  https://d/page.html
[freeze]
index-url = https://wrong
`
  t.like(config({ '/etc/pip.conf': text }), {
    indexUrl: 'https://download/simple',
    extraIndexUrls: ['https://b/simple', 'https://c/simple'],
    findLinks: ['/wheels', 'https://d/page.html'],
    noIndex: true,
    proxy: undefined,
  })
})

test('without a configured index, the default index of pip and the index of PyTorch are used', (t) => {
  const python = { prefix: '/venv', packageDirs: [], defaultIndex: 'https://default/simple' }
  const resolve = (files: Record<string, string>, indexUrl?: string, pythons = [python]) =>
    resolveWheelSources({
      indexUrl,
      pythons,
      system: machine(files),
      env: { HOME: '/home/a' },
    })
  const pytorch = 'https://download.pytorch.org/whl/cu130'
  t.deepEqual(resolve({}).indexes, ['https://default/simple', pytorch])
  t.deepEqual(resolve({}, undefined, []).indexes, [pytorch])
  const conf = (text: string) => ({ '/venv/pip.conf': `[global]\n${text}\n` })
  t.deepEqual(resolve(conf('index-url=https://a/simple')).indexes, ['https://a/simple'])
  t.deepEqual(resolve(conf('extra-index-url=https://b')).indexes, [
    'https://b/',
    'https://default/simple',
    pytorch,
  ])
  t.deepEqual(resolve(conf('no-index=1\nfind-links=file:///w https://p/')).folders, ['/w'])
  t.deepEqual(resolve(conf('no-index=1\nfind-links=file:///w https://p/')).pages, ['https://p/'])
  t.deepEqual(resolve(conf('no-index=1')).indexes, [])
  const flag = resolve(conf('find-links=/w\nindex-url=https://a/simple'), 'https://mirror/x')
  t.deepEqual([flag.indexes, flag.folders], [['https://mirror/x'], []])
  const error = t.throws(() => resolve({}, 'ftp://mirror'), { instanceOf: ResidualError })
  t.is((error as ResidualError).code, 'E_USAGE')
})

test('`~` in the configuration of pip is the home folder', (t) => {
  const { folders, connection } = resolveWheelSources({
    pythons: [],
    system: machine({
      '/etc/pip.conf': '[global]\nfind-links = ~/wheels /w~/x\ncert = ~/ca.pem\n',
      '/home/a/ca.pem': 'certificate',
    }),
    env: { HOME: '/home/a' },
  })
  t.deepEqual(folders, ['/home/a/wheels', '/w~/x'])
  t.is(connection.ca, 'certificate')
})

test('the error for a wrong index contains no password', (t) => {
  for (const indexUrl of [
    'ftp://user:secret@mirror/simple',
    'user:secret@mirror/simple',
    'https://user:sec/ret@mirror:port',
    '//user:secret@mirror',
  ]) {
    const resolve = () => resolveWheelSources({ indexUrl, pythons: [], system: machine({}) })
    const error = t.throws(resolve, { code: 'E_USAGE', message: /mirror/ })
    t.notRegex(JSON.stringify([error?.message, error]), /sec|ret@/)
  }
})

test('credentials are taken from the URL or .netrc, and appear in no URL', (t) => {
  const { indexes, connection } = resolveWheelSources({
    indexUrl: 'https://user:p%40ss@mirror:8443/simple',
    pythons: [],
    system: machine({
      '/home/a/.netrc': 'machine other login me password secret',
      '/ca.pem': 'certificate',
    }),
    env: { HOME: '/home/a', PIP_CERT: '/ca.pem', PIP_PROXY: 'proxy:3128' },
  })
  t.deepEqual(indexes, ['https://mirror:8443/simple'])
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  t.is(connection.authorization?.get('https://mirror:8443'), basic('user:p@ss'))
  t.is(connection.authorization?.get('other'), basic('me:secret'))
  t.is(connection.ca, 'certificate')
  t.is(connection.proxy, 'http://proxy:3128')
  const plain = resolveWheelSources({
    indexUrl: 'https://user:50%@mirror/simple',
    pythons: [],
    system: machine({}),
    env: { HOME: '/home/a' },
  })
  t.is(plain.connection.authorization?.get('https://mirror'), basic('user:50%'))
  t.is(readNetrc('default login a password b').size, 0)
})
