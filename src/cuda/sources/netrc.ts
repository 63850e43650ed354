/**
 * Reads the logins of a .netrc file, which pip uses for package indexes.
 *
 * @returns `Authorization` headers by the name of the host
 */
export function readNetrc(text: string): Map<string, string> {
  const headers = new Map<string, string>()
  const words = text.replace(/^\s*#.*$/gm, '').match(/\S+/g) ?? []
  let [host, login] = ['', '']
  for (let index = 0; index < words.length; index += 2) {
    const [key, value = ''] = words.slice(index, index + 2)
    if (key === 'machine') [host, login] = [value, '']
    else if (key === 'login') login = value
    else if (key === 'password' && host !== '') {
      headers.set(host, `Basic ${Buffer.from(`${login}:${value}`).toString('base64')}`)
    } else if (key === 'macdef' || key === 'default') break
  }
  return headers
}
