import test from 'ava'
import type { CheckpointEvent, RunEvent, StepEvent } from 'residual'
import { EventQueue } from '#dist/api/run/event-queue.js'

const step = (number: number) => ({ type: 'step', step: number }) as { type: 'step' } & StepEvent
const checkpoint = { type: 'checkpoint', step: 9 } as { type: 'checkpoint' } & CheckpointEvent

async function read(queue: EventQueue): Promise<RunEvent[]> {
  const events: RunEvent[] = []
  for await (const event of queue) events.push(event)
  return events
}

test('a waiting reader gets every event', async (t) => {
  const queue = new EventQueue(() => {})
  const reading = [queue.next(), queue.next(), queue.next()]
  queue.push(step(1))
  queue.push(step(2))
  queue.end()
  t.deepEqual(await Promise.all(reading), [
    { done: false, value: step(1) },
    { done: false, value: step(2) },
    { done: true, value: undefined },
  ])
})

test('only step events are coalesced for a busy reader', async (t) => {
  const queue = new EventQueue(() => {})
  for (let number = 1; number <= 1000; number++) queue.push(step(number))
  queue.push(checkpoint)
  queue.push(step(1001))
  queue.push(step(1002))
  queue.end()
  t.deepEqual(await read(queue), [step(1000), checkpoint, step(1002)])
})

test('the failure is thrown once, after the last event', async (t) => {
  const queue = new EventQueue(() => {})
  const failure = new Error('failed')
  queue.push(checkpoint)
  queue.end({ error: failure })
  t.false((await queue.next()).done)
  t.is(await t.throwsAsync(queue.next()), failure)
  t.true((await queue.next()).done)
})

test('leaving the loop detaches the reader and discards its events', async (t) => {
  const detached: EventQueue[] = []
  const queue = new EventQueue((queue) => detached.push(queue))
  queue.push(checkpoint)
  queue.push(step(1))
  for await (const event of queue) {
    t.is(event.type, 'checkpoint')
    break
  }
  t.deepEqual(detached, [queue])
  t.true((await queue.next()).done)
})
