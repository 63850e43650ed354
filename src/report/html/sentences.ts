/** Joins a message and an optional hint into sentences. */
export function joinSentences(message: string, hint: string | null | undefined): string {
  const first = /[.!?]$/.test(message) ? message : `${message}.`
  return hint ? `${first} ${hint}` : first
}
