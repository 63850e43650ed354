import { cutFiles } from './cut-files.mjs'
import { damagedCheckpoint } from './damaged-checkpoint.mjs'
import { killDuringDownload } from './kill-during-download.mjs'
import { notFinite } from './not-finite.mjs'
import { resumeAfterKill } from './resume-after-kill.mjs'
import { sameBytes } from './same-bytes.mjs'

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
]
