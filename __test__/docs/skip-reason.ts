/**
 * Reasons for not running a block, in the comment above it: `<!-- not run: takes hours -->`, with an
 * optional explanation in parentheses. Any other text is an error, because a failing block must be
 * fixed instead.
 */
const REASONS = [
  'needs a clone',
  'needs a download',
  'needs CUDA',
  'needs Electron',
  'needs PyTorch',
  'takes hours',
]

const REASON = new RegExp(`^(?:${REASONS.join('|')})(?: \\([^()]+\\))?$`)

/** Returns an error for a reason that is not in the list. */
export function skipReasonErrors(reason: string | undefined): string[] {
  if (reason === undefined || REASON.test(reason)) return []
  const found = reason === '' ? 'gives no reason' : `gives the unknown reason \`${reason}\``
  return [`the comment above the block ${found}; allowed reasons: ${REASONS.join(', ')}`]
}
