import { damagedCheckpoint } from './damaged-checkpoint.mjs'

/**
 * All cases, in the order of docs/guarantees.md.
 *
 * @type {readonly import('../case.mjs').Case[]}
 */
export const CASES = [damagedCheckpoint]
