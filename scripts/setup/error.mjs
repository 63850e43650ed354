/** Why a set-up stopped: a code to look up, what happened, and what to do next. */
export class SetupError extends Error {
  /**
   * @param {'E_PREREQUISITE' | 'E_DEPENDENCIES' | 'E_LIBTORCH' | 'E_DOWNLOAD' | 'E_DISK' | 'E_CACHE'} code
   * @param {string} message what happened, and where
   * @param {{ hint: string, cause?: unknown }} details the next thing to do, and what lies behind it
   */
  constructor(code, message, { hint, cause }) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SetupError'
    this.code = code
    this.hint = hint
  }
}

/** A build step that failed has shown its own message; this names the step. */
export class BuildError extends Error {}
