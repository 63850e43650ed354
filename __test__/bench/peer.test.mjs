import test from 'ava'
import { fastest } from '../../scripts/bench/candidates.mjs'
import { Peer, PeerError } from '../../scripts/bench/peer.mjs'

/** @param {string} source of a module that is a peer */
const node = (source) => ({
  command: process.execPath,
  args: ['--input-type=module', '--eval', source],
})

const COUNTS = `
import { serve } from './scripts/bench/ours/serve.mjs'
await serve({ name: 'counter' }, async (count) => {
  if (count > 100) throw new Error('too many')
  const begin = performance.now()
  while (performance.now() - begin < 30 * count);
  return { items: 10 * count, seconds: (performance.now() - begin) / 1000 }
})`

test('a peer says what it is, works when asked to, and ends when nobody asks', async (t) => {
  const peer = await Peer.start(node(COUNTS))
  t.deepEqual(peer.about, { name: 'counter' })
  for (const count of [1, 3]) {
    const { items, seconds, load } = await peer.ask(count)
    t.is(items, 10 * count)
    t.true(seconds >= 0.03 * count)
    t.true((load?.wall ?? 0) >= seconds)
  }
  await t.throwsAsync(peer.ask(101), { instanceOf: PeerError, message: /too many/ })
  t.is((await peer.ask(1)).items, 10)
  await peer.close()
})

test('a peer that dies is told with its last words, and not waited for', async (t) => {
  const source = 'console.error("no such thing"); process.exit(3)'
  const error = await t.throwsAsync(Peer.start(node(source)), { instanceOf: PeerError })
  t.regex(error?.message ?? '', /status 3\)\nno such thing/)
  await t.throwsAsync(Peer.start({ command: 'no-such-command', args: [] }), {
    instanceOf: PeerError,
  })
})

test('a peer that does not answer is waited for as long as was said', async (t) => {
  const peer = new Peer(node('setInterval(() => {}, 1000)'))
  await t.throwsAsync(peer.read(50), { message: /did not answer within 0.05 s/ })
  await peer.kill()
})

test('of ways that were tried the fastest is taken, and never one that failed', (t) => {
  const ways = ['a', 'b', 'c'].map((name) => ({ name, options: {} }))
  t.is(fastest(ways, { a: 'did not answer', b: 100, c: 90 }).name, 'b')
  t.throws(() => fastest(ways, { a: 'no', b: 'no', c: 'no' }), { instanceOf: PeerError })
})
