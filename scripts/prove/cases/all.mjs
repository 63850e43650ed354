import { cutFiles } from './cut-files.mjs'
import { damagedCheckpoint } from './damaged-checkpoint.mjs'
import { endings } from './endings.mjs'
import { flatMemory } from './flat-memory.mjs'
import { fullDisk } from './full-disk.mjs'
import { hostileDownloads } from './hostile-downloads.mjs'
import { hostileFiles } from './hostile-files.mjs'
import { hostileRequests } from './hostile-requests.mjs'
import { killDuringDownload } from './kill-during-download.mjs'
import { notFinite } from './not-finite.mjs'
import { readOnlyAndMoved } from './read-only-and-moved.mjs'
import { resumeAfterKill } from './resume-after-kill.mjs'
import { sameBytes } from './same-bytes.mjs'
import { scarceResources } from './scarce-resources.mjs'

/**
 * All cases, in the order of docs/guarantees.md.
 *
 * @type {readonly import('../case.mjs').Case[]}
 */
export const CASES = [
  resumeAfterKill,
  killDuringDownload,
  damagedCheckpoint,
  cutFiles,
  notFinite,
  sameBytes,
  hostileFiles,
  hostileDownloads,
  hostileRequests,
  fullDisk,
  readOnlyAndMoved,
  scarceResources,
  endings,
  flatMemory,
]
