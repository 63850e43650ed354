/** An error of set-up, with a code and a hint. */
export class SetupError extends Error {
  /**
   * @param {'E_PREREQUISITE' | 'E_DEPENDENCIES' | 'E_LIBTORCH' | 'E_DOWNLOAD' | 'E_DISK' | 'E_CACHE'} code
   * @param {string} message what happened, and where
   * @param {{ hint: string, cause?: unknown }} details the next thing to do, and the cause
   */
  constructor(code, message, { hint, cause }) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SetupError'
    this.code = code
    this.hint = hint
  }
}

/** A failed build step. The step has printed its own output; the message names the step. */
export class BuildError extends Error {}
