/**
 * An element with its attributes and what is in it. Text stays text: nothing on this page is ever
 * made of markup, for names of runs, classes and files may hold any.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string | number | boolean | undefined>} attributes undefined or false: none
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false)
      made.setAttribute(key, value === true ? '' : String(value))
  }
  made.append(...children)
  return made
}

/**
 * A name that somebody chose, in whatever script, without a say in what stands around it.
 *
 * @param {string} text
 */
export function name(text) {
  return element('bdi', {}, text)
}

/**
 * The element of index.html with an id.
 *
 * @template {HTMLElement} [E=HTMLElement]
 * @param {string} id
 * @returns {E}
 */
export function byId(id) {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`there is no #${id}`)
  return /** @type {E} */ (found)
}

/**
 * Writes a text, and only if it is another: what has not changed is not read out again.
 *
 * @param {Element} to
 * @param {string} text
 */
export function say(to, text) {
  if (to.textContent !== text) to.textContent = text
}
