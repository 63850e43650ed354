import { setTimeout } from 'node:timers/promises'
import { exportModel, loadModel, type Model, type Run, train } from '../../index.js'
import { toErrorData } from '../error-data.js'
import type { HostCall, HostMessage, HostRequest } from './protocol.js'
import { StepThrottle } from './step-throttle.js'

type Predict = Extract<HostCall, { function: 'predict' }>['args']

/** Maximum time in ms for sending the last messages before the process exits. */
const FLUSH_TIMEOUT = 1000

/** The run and the loaded model of a host process. */
export class HostSession {
  readonly #send: (message: HostMessage) => void
  readonly #flush: () => Promise<void>
  #run: Run | undefined
  /** Resolves when the outcome of the run is sent. */
  #ended = Promise.resolve()
  #isPauseRequested = false
  /** The model of the last prediction, by its path and options. */
  #loaded: { key: string; model: Promise<Model> } | undefined

  /**
   * @param send sends a message to the main process
   * @param flush resolves when all messages are sent
   */
  constructor(send: (message: HostMessage) => void, flush: () => Promise<void>) {
    this.#send = send
    this.#flush = flush
  }

  receive(request: HostRequest): void {
    switch (request.type) {
      case 'train':
        this.#isPauseRequested = request.paused
        this.#ended = this.#train(request)
        return
      case 'pause':
        this.#isPauseRequested = true
        this.#run?.pause()
        return
      case 'resume':
        this.#isPauseRequested = false
        this.#run?.resume()
        return
      case 'stop':
        this.#run?.stop()
        return
      case 'call':
        void this.#call(request.id, request.call)
        return
      case 'exit':
        this.#run?.stop()
        void this.#exit()
    }
  }

  /** Exits after the outcome of the run is sent. */
  async #exit(): Promise<void> {
    await this.#ended
    await Promise.race([this.#flush(), setTimeout(FLUSH_TIMEOUT)])
    process.exit()
  }

  async #train({ config, report }: Extract<HostRequest, { type: 'train' }>): Promise<void> {
    const onDownload = (progress: object) => {
      this.#send({ type: 'download', progress: { ...progress } as never })
    }
    const run = train(config, { report, onDownload })
    this.#run = run
    const throttle = new StepThrottle((event) => this.#send({ type: 'event', event }))
    try {
      for await (const event of run) {
        throttle.push(event)
        // Before its start event, a run cannot be paused.
        if (event.type === 'start' && this.#isPauseRequested) run.pause()
        if (event.type === 'checkpoint' && event.kind === 'best') this.#unloadModel()
      }
      const result = await run
      throttle.flush()
      this.#send({ type: 'result', result })
    } catch (error) {
      throttle.flush()
      this.#send({ type: 'failed', error: toErrorData(error) })
    } finally {
      this.#run = undefined
    }
  }

  async #call(id: number, call: HostCall): Promise<void> {
    try {
      const value =
        call.function === 'predict'
          ? await this.#predict(...call.args)
          : await exportModel(...call.args)
      this.#send({ type: 'returned', id, value })
    } catch (error) {
      this.#send({ type: 'threw', id, error: toErrorData(error) })
    }
  }

  async #predict(...[path, images, config, load]: Predict): Promise<unknown> {
    const key = JSON.stringify([path, load])
    if (this.#loaded?.key !== key) {
      this.#unloadModel()
      this.#loaded = { key, model: loadModel(path, load) }
    }
    const model = await this.#awaitModel(this.#loaded.model)
    return await model.predict(images as Uint8Array, config)
  }

  async #awaitModel(model: Promise<Model>): Promise<Model> {
    try {
      return await model
    } catch (error) {
      // The next prediction reads the file again, which may exist by then.
      if (this.#loaded?.model === model) this.#unloadModel()
      throw error
    }
  }

  /** Closes the loaded model after its pending predictions. */
  #unloadModel(): void {
    const { model } = this.#loaded ?? {}
    this.#loaded = undefined
    model?.then((loaded) => loaded.close()).catch(() => {})
  }
}
