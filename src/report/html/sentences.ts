/** What happened and, where it is known, what to do about it, as sentences that follow each other. */
export function sentences(message: string, hint: string | null | undefined): string {
  const first = /[.!?]$/.test(message) ? message : `${message}.`
  return hint ? `${first} ${hint}` : first
}
