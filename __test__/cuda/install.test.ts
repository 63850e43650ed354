import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { AbortError, ResidualError } from 'residual'
import { fetchBundle, type InstallOptions, installWheels, linkPython } from '#dist/cuda/install.js'
import type { PinnedWheel } from '#dist/cuda/pinned-wheel.js'
import type { CudaSetupProgress } from '#dist/cuda/progress.js'
import { receivedBytes } from '#dist/cuda/staging.js'
import { tryLoading } from '#dist/cuda/try-load.js'
import { readCudaInstallation } from '#dist/native/cuda-installation.js'
import { node } from '../child.js'
import {
  fileHandler,
  proxy,
  rangeStart,
  type Server,
  serve,
  stallingHandler,
} from '../download/server.js'
import { tempFolder } from '../tiny.js'
import {
  type FakeWheel,
  fakeWheels,
  INSTALLED,
  indexes,
  indexHandler,
  pinsOf,
  TORCH_CPU,
  wheel,
} from './wheel.js'

const QUICK = { connectTimeout: 10_000, idleTimeout: 10_000, attempts: 3, backoff: 1 }
const WHEELS = fakeWheels()
const TORCH = WHEELS[0] as FakeWheel

/** The fake libraries cannot be loaded. */
const OPTIONS: InstallOptions = { policy: QUICK, tryLoading: async () => undefined }

function target(t: ExecutionContext): string {
  return join(tempFolder(t), 'libtorch', 'cuda')
}

function install(folder: string, url: string, options: InstallOptions = {}, wheels = WHEELS) {
  const sources = indexes(`${url}simple`)
  return installWheels(folder, pinsOf(wheels), sources, 'download', { ...OPTIONS, ...options })
}

/** Expects a failure after which nothing is installed, and returns the error. */
async function fails(t: ExecutionContext, folder: string, installing: Promise<void>) {
  const error = await t.throwsAsync(installing, { instanceOf: ResidualError })
  t.is(readCudaInstallation(folder), undefined)
  t.false(existsSync(folder))
  t.deepEqual(
    readdirSync(join(folder, '..')).filter((name) => /staging|lock/.test(name)),
    [],
    'no staging folder and no lock remain',
  )
  return error as ResidualError
}

/** Expects that an installation from a server in a new folder fails, and returns the error. */
function failsFrom(t: ExecutionContext, url: string, options?: InstallOptions) {
  const folder = target(t)
  return fails(t, folder, install(folder, url, options))
}

/** Asserts that the installation is complete, and that nothing else is beside it. */
function assertInstalled(t: ExecutionContext, folder: string): void {
  const state = readCudaInstallation(folder)
  t.is(state?.status, 'complete', JSON.stringify(state))
  if (state?.status !== 'complete') return
  t.deepEqual(state.manifest.files.map(({ path }) => path).sort(), INSTALLED)
  t.true(readFileSync(join(folder, 'torch', 'lib', 'libtorch_cpu.so')).equals(TORCH_CPU))
  t.deepEqual(readdirSync(join(folder, '..')), ['cuda'])
}

test('installs the wheels of a JSON or HTML index, and reports progress', async (t) => {
  for (const html of [false, true]) {
    const { url, requests } = await serve(t, indexHandler(WHEELS, { html }))
    const folder = target(t)
    const progress: CudaSetupProgress[] = []
    await install(folder, url, { onProgress: (step) => progress.push(step) })
    assertInstalled(t, folder)
    t.is(requests.length, 4)
    for (const phase of ['download', 'unpack'] as const) {
      const steps = progress.filter((step) => step.phase === phase)
      t.is(steps.at(-1)?.bytes, steps.at(-1)?.total)
      t.deepEqual(
        steps.map(({ bytes }) => bytes),
        steps.map(({ bytes }) => bytes).sort((a, b) => a - b),
      )
    }
    // A second call sends no request.
    await install(folder, url)
    t.is(requests.length, 4)
  }
})

test('loads the libraries once before they are installed', async (t) => {
  const { url } = await serve(t, indexHandler(WHEELS))
  const folder = target(t)
  const real = { policy: QUICK, tryLoading: undefined }
  const error = await fails(t, folder, install(folder, url, real))
  t.is(error.code, 'E_LIBTORCH')
  t.regex(error.message, /cannot be loaded: .*libtorch_cpu\.so/)
  // The downloads remain for the next attempt.
  const before = readdirSync(`${folder}.downloads`)
  t.is(before.length, 2)
})

test('loading that takes too long is described by its time limit', async (t) => {
  t.is(await tryLoading(tempFolder(t), undefined, 1), 'loading them takes more than 0.001 s')
})

test('resumes after a broken connection, in the same and in the next call', async (t) => {
  let isStalling = true
  const server: Server = await serve(
    t,
    indexHandler(WHEELS, {
      file: ({ content }, request, response) =>
        (isStalling ? stallingHandler(content, 100_000) : fileHandler(content))(request, response),
    }),
  )
  const folder = target(t)
  const error = await fails(
    t,
    folder,
    install(folder, server.url, {
      policy: { ...QUICK, attempts: 1 },
      onProgress: ({ bytes }) => bytes >= 100_000 && server.closeConnections(),
    }),
  )
  t.is(error.code, 'E_DOWNLOAD')
  isStalling = false
  await install(folder, server.url)
  assertInstalled(t, folder)
  const ranges = server.requests.map(({ headers }) => headers.range).filter(Boolean)
  t.deepEqual(ranges, ['bytes=100000-'])
})

test('a server that stalls ends with E_DOWNLOAD and keeps the received bytes', async (t) => {
  const { url } = await serve(
    t,
    indexHandler(WHEELS, {
      file: ({ content }, request, response) => stallingHandler(content, 1000)(request, response),
    }),
  )
  const folder = target(t)
  const policy = { ...QUICK, idleTimeout: 200, attempts: 2 }
  const error = await fails(t, folder, install(folder, url, { policy }))
  t.is(error.code, 'E_DOWNLOAD')
  t.regex(error.message, /no data for 0\.2 s/)
  t.regex(error.hint, /resumes.*--index-url/)
  const stalled = await serve(t, () => {})
  const indexError = await failsFrom(t, stalled.url, { policy })
  t.regex(indexError.message, /\/simple: no data for 0\.2 s/)
})

test('a truncated wheel is completed, or rejected if the server claims it is complete', async (t) => {
  const half = TORCH.content.subarray(0, TORCH.content.length / 2)
  let numRequests = 0
  const truncating = await serve(
    t,
    indexHandler(WHEELS, {
      file: ({ content }, request, response) => {
        numRequests++
        const from = rangeStart(request, '"one"')
        if (numRequests > 1) return fileHandler(content)(request, response)
        response.writeHead(200, { etag: '"one"', 'content-length': content.length - from })
        response.write(content.subarray(0, 50_000), () => response.destroy())
      },
    }),
  )
  const folder = target(t)
  await install(folder, truncating.url)
  assertInstalled(t, folder)
  const claiming = await serve(
    t,
    indexHandler(WHEELS, { file: (_, request, response) => fileHandler(half)(request, response) }),
  )
  const error = await failsFrom(t, claiming.url)
  t.regex(error.message, /the file has \d+ bytes instead of \d+/)
})

test('wheels and indexes that lie about the content are rejected', async (t) => {
  const other = Buffer.from(TORCH.content)
  other.writeUInt8(other.readUInt8(5000) ^ 1, 5000)
  for (const sha256 of [undefined, null]) {
    const { url } = await serve(
      t,
      indexHandler(WHEELS, {
        ...(sha256 === null && { sha256 }),
        file: (_, request, response) => fileHandler(other)(request, response),
      }),
    )
    const folder = target(t)
    const error = await fails(t, folder, install(folder, url))
    t.is(error.code, 'E_DOWNLOAD')
    t.regex(error.message, /the received file has SHA-256 [0-9a-f]{64} instead of/)
    t.deepEqual(readdirSync(`${folder}.downloads`), [])
  }
  const { url, requests } = await serve(t, indexHandler(WHEELS, { sha256: 'ab'.repeat(32) }))
  const error = await failsFrom(t, url)
  t.regex(error.message, /the index lists torch-2\.11\.0\S+ with SHA-256 abab/)
  t.is(requests.length, 1, 'the wheel is not requested')
  const pages = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Log in</h1>')
  })
  t.regex((await failsFrom(t, pages.url)).message, /does not list/)
})

test('entries of an index that are not files are ignored', async (t) => {
  const { url } = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end('{ "files": [null, 1, {}, { "filename": 1, "url": "x" }] }')
  })
  t.regex((await failsFrom(t, url)).message, /the index does not list this file/)
})

test.serial('a file of NODE_EXTRA_CA_CERTS that cannot be read is ignored', async (t) => {
  t.teardown(() => {
    delete process.env.NODE_EXTRA_CA_CERTS
  })
  process.env.NODE_EXTRA_CA_CERTS = '/nowhere'
  const { url } = await serve(t, indexHandler(WHEELS))
  const sources = { ...indexes(`${url}simple`), connection: { ca: 'certificate' } }
  const folder = target(t)
  await installWheels(folder, pinsOf(WHEELS), sources, 'download', OPTIONS)
  assertInstalled(t, folder)
})

test('follows redirects, also to another host', async (t) => {
  const files = await serve(t, indexHandler(WHEELS))
  const redirecting = await serve(t, (request, response) => {
    response.writeHead(302, { location: new URL(request.url ?? '', files.url).href }).end()
  })
  const folder = target(t)
  await install(folder, redirecting.url)
  assertInstalled(t, folder)
  const loop = await serve(t, (request, response) =>
    response.writeHead(302, { location: request.url }).end(),
  )
  t.regex((await failsFrom(t, loop.url)).message, /redirect loop/)
})

test('credentials are sent to the index, but not to the host of a redirect', async (t) => {
  const files = await serve(t, indexHandler(WHEELS))
  const index = await serve(t, (request, response) => {
    if (request.headers.authorization !== 'Basic c2VjcmV0') return response.writeHead(401).end()
    if (request.url?.startsWith('/files/')) {
      return response.writeHead(302, { location: new URL(request.url, files.url).href }).end()
    }
    return indexHandler(WHEELS)(request, response)
  })
  const { origin } = new URL(index.url)
  const connection = { authorization: new Map([[origin, 'Basic c2VjcmV0']]) }
  const folder = target(t)
  const sources = { ...indexes(`${index.url}simple`), connection }
  await installWheels(folder, pinsOf(WHEELS), sources, 'download', OPTIONS)
  assertInstalled(t, folder)
  t.is(files.requests.length, 2)
  t.true(files.requests.every(({ headers }) => headers.authorization === undefined))
  t.regex((await failsFrom(t, index.url)).message, /answered 401/)
})

test('repeats requests after server errors, and tries the next index', async (t) => {
  let failures = 0
  const unstable = await serve(t, (request, response) => {
    failures++
    if (failures % 3 !== 0) return response.writeHead(503).end()
    return indexHandler(WHEELS)(request, response)
  })
  const folder = target(t)
  await install(folder, unstable.url)
  assertInstalled(t, folder)
  const broken = await serve(t, (_, response) => response.writeHead(500).end())
  const error = await failsFrom(t, broken.url)
  t.regex(error.message, /127\.0\.0\.1:\d+\/simple: the server answered 500/)
  t.is(broken.requests.length, QUICK.attempts)
  const next = target(t)
  const sources = indexes(`${broken.url}simple`, `${unstable.url}simple`)
  await installWheels(next, pinsOf(WHEELS), sources, 'download', OPTIONS)
  assertInstalled(t, next)
})

test('reports every retry with its cause, and gives up a host that was never reached', async (t) => {
  const retries: unknown[] = []
  const onProgress = ({ retry }: CudaSetupProgress) => retry && retries.push(retry)
  const policy = { ...QUICK, attempts: 10 }
  const error = await failsFrom(t, 'http://127.0.0.1:9/', { policy, onProgress })
  const reason = 'connect ECONNREFUSED 127.0.0.1:9'
  t.true(error.message.endsWith(`http://127.0.0.1:9/simple: ${reason}`), error.message)
  t.regex(error.hint, /^Check the URL of the index/)
  const url = 'http://127.0.0.1:9/simple/torch/'
  t.deepEqual(retries, [
    { url, reason, delay: 1 },
    { url, reason, delay: 2 },
  ])
  retries.length = 0
  const busy = await serve(t, (_, response) => response.writeHead(503).end())
  await failsFrom(t, busy.url, { policy: { ...QUICK, attempts: 6 }, onProgress })
  t.is(retries.length, 5)
  t.like(retries.at(-1), { reason: 'the server answered 503', delay: 16 })
})

test('an abort between two attempts names the cause of the last one', async (t) => {
  const { url } = await serve(t, (_, response) => response.writeHead(503).end())
  const controller = new AbortController()
  const error = await failsFrom(t, url, {
    policy: { ...QUICK, backoff: 60_000 },
    signal: controller.signal,
    onProgress: ({ retry }) => retry && controller.abort(),
  })
  t.true(error instanceof AbortError)
  t.is(error.message, 'aborted while downloading; the last attempt failed: the server answered 503')
})

test('an index without the project is not said to be resumable', async (t) => {
  const { url } = await serve(t, (_, response) => response.writeHead(404).end())
  const error = await failsFrom(t, url)
  t.regex(error.message, /the server answered 404/)
  t.regex(error.hint, /^Check the URL of the index/)
})

test('a build that only one index has is selected by its checksum', async (t) => {
  const local = wheel('torch', '2.11.0+cu130', [
    { name: 'torch/lib/libtorch_cpu.so', content: TORCH_CPU },
  ])
  const pin = { ...TORCH.pin, builds: [...TORCH.pin.builds, ...local.pin.builds] }
  const { url } = await serve(
    t,
    indexHandler([{ ...local, pin: { ...local.pin, project: 'torch' } }]),
  )
  const folder = target(t)
  await install(folder, url, {}, [{ pin, content: local.content }])
  t.is(readCudaInstallation(folder)?.status, 'complete')
})

test('a PyTorch whose libraries do not load is skipped with an option', async (t) => {
  const folder = target(t)
  const tryLoading = async () => 'libcudart.so.13: cannot open shared object file'
  const error = await fails(t, folder, linkPython(folder, '/python', [], { tryLoading }))
  t.is(error.code, 'E_LIBTORCH')
  t.regex(error.hint, /setup --cuda --no-python/)
})

test('of several builds of a wheel, the largest part counts as received', async (t) => {
  const downloads = tempFolder(t)
  const [pin] = pinsOf(WHEELS) as [PinnedWheel]
  const builds = ['a.whl', 'b.whl'].map((file) => ({ file, bytes: 100, sha256: '' }))
  t.is(await receivedBytes(downloads, [{ ...pin, builds }]), 0)
  writeFileSync(join(downloads, 'a.whl.part'), 'x'.repeat(60))
  writeFileSync(join(downloads, 'b.whl'), 'x'.repeat(100))
  t.is(await receivedBytes(downloads, [{ ...pin, builds }]), 100)
})

test('too little disk space is reported before the download', async (t) => {
  const { url, requests } = await serve(t, indexHandler(WHEELS))
  const error = await failsFrom(t, url, { freeBytes: async () => 1e6 })
  t.is(error.code, 'E_WRITE')
  t.regex(error.message, /has 0\.0 GB of free space; 0\.1 GB are needed/)
  t.is(requests.length, 0)
})

test('an abort keeps the received bytes', async (t) => {
  const { url } = await serve(t, indexHandler(WHEELS))
  for (const phase of ['download', 'unpack', 'load']) {
    const controller = new AbortController()
    const onProgress = (step: CudaSetupProgress) => step.phase === phase && controller.abort()
    const folder = target(t)
    const { signal } = controller
    const error = await fails(t, folder, install(folder, url, { signal, onProgress }))
    t.true(error instanceof AbortError, phase)
    t.true(readdirSync(`${folder}.downloads`).length > 0)
    t.regex(error.hint, /^1 MB of downloads are kept in \S+\.downloads: the same command resumes, /)
    t.regex(error.hint, /residual setup --cuda --remove` deletes them\.$/)
    await install(folder, url)
    assertInstalled(t, folder)
  }
})

test('a damaged installation is replaced', async (t) => {
  const { url } = await serve(t, indexHandler(WHEELS))
  const folder = target(t)
  await install(folder, url)
  writeFileSync(join(folder, 'torch', 'lib', 'libtorch_cuda.so'), 'short')
  t.regex(JSON.stringify(readCudaInstallation(folder)), /libtorch_cuda\.so has 5 bytes instead of/)
  await install(folder, url)
  assertInstalled(t, folder)
})

test('installs a bundle without a network', async (t) => {
  const { url } = await serve(t, indexHandler(WHEELS))
  const bundle = join(tempFolder(t), 'wheels')
  const files = await fetchBundle(bundle, pinsOf(WHEELS), indexes(`${url}simple`), OPTIONS)
  t.deepEqual(
    files.map((file) => join(file, '..')),
    [bundle, bundle],
  )
  t.deepEqual(readdirSync(bundle).length, 2)
  const sources = { ...indexes(), folders: [bundle] }
  const folder = target(t)
  await installWheels(folder, pinsOf(WHEELS), sources, 'bundle', OPTIONS)
  assertInstalled(t, folder)
  t.is(readdirSync(bundle).length, 2, 'the bundle is unchanged')

  writeFileSync(files[0] as string, Buffer.from(TORCH.content).fill(0, 5000, 5100))
  const other = target(t)
  const error = await fails(
    t,
    other,
    installWheels(other, pinsOf(WHEELS), sources, 'bundle', OPTIONS),
  )
  t.regex(error.message, /torch-2\.11\.0-py3-none-any\.whl has SHA-256 [0-9a-f]{64} instead of/)
  t.regex(error.hint, /--download-only/)
})

test('all wheels that no folder has are named with the folders', async (t) => {
  const install = (folders: string[]) => {
    const folder = target(t)
    const sources = { ...indexes(), folders }
    return fails(t, folder, installWheels(folder, pinsOf(WHEELS), sources, 'bundle', OPTIONS))
  }
  const bundle = tempFolder(t)
  const [torch, cudart] = WHEELS.map(({ pin }) => pin.builds[0]?.file) as [string, string]
  const both = await install([bundle])
  t.like(both, { code: 'E_DOWNLOAD', at: { file: bundle } })
  t.is(both.message, `${torch}, ${cudart} are not available. They are not in ${bundle}`)
  t.regex(both.hint, /--download-only FOLDER/)
  writeFileSync(join(bundle, torch), TORCH.content)
  const { message } = await install([bundle])
  t.is(message, `${cudart} is not available. It is not in ${bundle}`)
  t.regex(
    (await install([])).message,
    /are not available\. The configuration of pip allows no index/,
  )
})

test('errors of a bundle name its folder, and no setting of the cache', async (t) => {
  const { url } = await serve(t, indexHandler(WHEELS))
  const fetching = (folder: string, options = OPTIONS) =>
    t.throwsAsync(fetchBundle(folder, pinsOf(WHEELS), indexes(`${url}simple`), options))
  const folder = join(tempFolder(t), 'wheels')
  const full = await fetching(folder, { ...OPTIONS, freeBytes: async () => 1e6 })
  t.like(full, { code: 'E_WRITE', at: { file: folder } })
  t.true(full?.message.startsWith(`${folder} has 0.0 GB of free space`), full?.message)
  writeFileSync(join(folder, '..', 'file'), '')
  const notAFolder = await fetching(join(folder, '..', 'file', 'wheels'))
  for (const error of [full, notAFolder]) {
    t.like(error, {
      code: 'E_WRITE',
      hint: 'Choose a writable folder on a disk with enough free space.',
    })
  }
})

test.serial('uses a proxy of the environment, and a proxy of pip', async (t) => {
  const { url } = await serve(t, indexHandler(WHEELS))
  const proxyServer = await proxy(t)
  const folder = target(t)
  const connection = { proxy: proxyServer.url }
  const sources = { ...indexes(`${url}simple`), connection }
  await installWheels(folder, pinsOf(WHEELS), sources, 'download', OPTIONS)
  assertInstalled(t, folder)
  t.is(proxyServer.proxied.length, 4)
  t.teardown(() => {
    delete process.env.http_proxy
    delete process.env.no_proxy
  })
  process.env.http_proxy = proxyServer.url
  const other = target(t)
  await install(other, url)
  assertInstalled(t, other)
  t.is(proxyServer.proxied.length, 8)
  process.env.no_proxy = '127.0.0.1'
  await install(target(t), url)
  t.is(proxyServer.proxied.length, 8)
})

/** Source of a program that installs the wheels of a server, with pins from a file. */
function program(pins: string, folder: string, url: string, staleLockAfter = 10_000): string {
  return `
    import { readFileSync } from 'node:fs'
    import { installWheels } from '#dist/cuda/install.js'
    const pins = JSON.parse(readFileSync(${JSON.stringify(pins)}, 'utf8'))
    const sources = { folders: [], pages: [], indexes: ['${url}simple'], connection: {} }
    await installWheels(${JSON.stringify(folder)}, pins, sources, 'download', {
      tryLoading: async () => undefined,
      staleLockAfter: ${staleLockAfter},
      onProgress: ({ phase }) => console.log(phase),
    })
    console.log('installed')`
}

function writePins(t: ExecutionContext): string {
  const path = join(tempFolder(t), 'pins.json')
  writeFileSync(path, JSON.stringify(pinsOf(WHEELS)))
  return path
}

const run = (source: string, during?: Parameters<typeof node>[1]) =>
  node(['--input-type=module', '--eval', source], during)

test('two processes install once', async (t) => {
  const { url, requests } = await serve(t, indexHandler(WHEELS))
  const folder = target(t)
  const source = program(writePins(t), folder, url)
  const results = await Promise.all([run(source), run(source)])
  for (const { stdout, stderr } of results) t.regex(stdout, /installed\n$/, stderr)
  assertInstalled(t, folder)
  t.is(requests.length, 4)
})

test('a process killed during the download or the unpacking leaves nothing that is used', async (t) => {
  for (const phase of ['download', 'unpack']) {
    let isStalling = phase === 'download'
    const { url } = await serve(
      t,
      indexHandler(WHEELS, {
        file: ({ content }, request, response) =>
          (isStalling ? stallingHandler(content, 100_000) : fileHandler(content))(
            request,
            response,
          ),
      }),
    )
    const folder = target(t)
    const source = program(writePins(t), folder, url, 1000)
    const killed = await run(source, {
      async during(child) {
        await child.waitForOutput(phase)
        child.kill('SIGKILL')
      },
    })
    t.is(killed.signal, 'SIGKILL', killed.stderr)
    t.false(existsSync(folder))
    t.is(readCudaInstallation(folder), undefined)
    isStalling = false
    const { stdout, stderr } = await run(source)
    t.regex(stdout, /installed\n$/, stderr)
    assertInstalled(t, folder)
  }
})

test('RESIDUAL_OFFLINE prevents the download', async (t) => {
  const { url, requests } = await serve(t, indexHandler(WHEELS))
  const folder = target(t)
  mkdirSync(join(folder, '..'), { recursive: true })
  const { stderr } = await run(program(writePins(t), folder, url), {
    env: { RESIDUAL_OFFLINE: '1' },
  })
  t.regex(stderr, /RESIDUAL_OFFLINE disables downloads/)
  t.regex(stderr, /hint: 'Unset RESIDUAL_OFFLINE, or install from a folder/)
  t.is(requests.length, 0)
  t.false(existsSync(folder))
})
