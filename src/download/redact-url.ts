/**
 * Returns a URL without its user and password, for messages and files. Of text that is not a URL,
 * everything before the last `@` is removed, because that part may contain a password.
 */
export function redactUrl(text: string): string {
  if (!text.includes('@')) return text
  const [, scheme = ''] = /^([a-z][a-z0-9+.-]*:\/\/)/i.exec(text) ?? []
  if (scheme !== '' && URL.canParse(text)) {
    const url = new URL(text)
    if (url.username === '' && url.password === '') return text
    url.username = ''
    url.password = ''
    return url.href
  }
  return `${scheme}***${text.slice(text.lastIndexOf('@'))}`
}
