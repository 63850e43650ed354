/**
 * How things are measured here.
 *
 * @typedef {object} How
 * @property {string} python
 * @property {'cpu' | 'cuda'} device
 * @property {boolean} tiny
 * @property {string} folder for files that are gone afterwards
 * @property {import('../contest.mjs').Game} game
 */

/** Said in place of a figure. */
export const UNMEASURED = 'unmeasured'
