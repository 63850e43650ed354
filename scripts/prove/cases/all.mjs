import { damagedCheckpoint } from './damaged-checkpoint.mjs'
import { hostileDownloads } from './hostile-downloads.mjs'
import { hostileFiles } from './hostile-files.mjs'
import { hostileRequests } from './hostile-requests.mjs'

/**
 * All cases, in the order of docs/guarantees.md.
 *
 * @type {readonly import('../case.mjs').Case[]}
 */
export const CASES = [damagedCheckpoint, hostileFiles, hostileRequests, hostileDownloads]
