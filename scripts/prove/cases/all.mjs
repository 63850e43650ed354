import { damagedCheckpoint } from './damaged-checkpoint.mjs'
import { endings } from './endings.mjs'
import { flatMemory } from './flat-memory.mjs'
import { fullDisk } from './full-disk.mjs'
import { readOnlyAndMoved } from './read-only-and-moved.mjs'
import { scarceResources } from './scarce-resources.mjs'

/**
 * All cases, in the order of docs/guarantees.md.
 *
 * @type {readonly import('../case.mjs').Case[]}
 */
export const CASES = [
  damagedCheckpoint,
  fullDisk,
  readOnlyAndMoved,
  scarceResources,
  endings,
  flatMemory,
]
