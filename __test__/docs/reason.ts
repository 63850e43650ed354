/**
 * Why a block may be left undone, in the comment above it: `<!-- not run: takes hours -->`, with
 * more in brackets behind it if there is more to say. Whatever else stands there is a mistake:
 * a block that merely fails is to be mended.
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

/** What is wrong with a reason; nothing if it may be one. */
export function wrongWithReason(reason: string | undefined): string[] {
  if (reason === undefined || REASON.test(reason)) return []
  const said = reason === '' ? 'does not say why' : `says \`${reason}\``
  return [`the comment above it ${said}; it may say: ${REASONS.join(', ')}`]
}
