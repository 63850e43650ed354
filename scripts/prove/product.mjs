// A long-lived process in which an attack calls the product, so that a crash of the product is an
// outcome of the attack and not its end.

import { Child, programPath } from './child.mjs'

/**
 * Outcome of a call: a result or an error, with the warnings that the product emitted.
 *
 * @typedef {object} Outcome
 * @property {any} [ok]
 * @property {{ code?: string, message: string }} [error]
 * @property {string[]} warnings
 */

/** A process that loaded the product. */
export class Product {
  /** @param {import('./child.mjs').Options} [options] */
  constructor(options) {
    const program = programPath('call-product.mjs')
    this.child = Child.node([program], { timeoutSeconds: 3600, ...options })
  }

  /**
   * Calls a function of `programs/call-product.mjs`.
   *
   * @param {'verify' | 'predict' | 'evaluate' | 'train' | 'report'} name
   * @param {Record<string, unknown>} args
   * @returns {Promise<Outcome>}
   */
  call(name, args) {
    return this.child.request({ call: name, ...args })
  }

  close() {
    return this.child.close()
  }
}
