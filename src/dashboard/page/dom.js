/**
 * Creates an element. Strings become text nodes: no markup is parsed on this page, since names of
 * runs, classes and files may contain any character.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | undefined>} attributes undefined and false are
 * omitted
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const created = document.createElement(tag)
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false)
      created.setAttribute(key, value === true ? '' : String(value))
  }
  created.append(...children)
  return created
}

/**
 * Isolates a user-defined name, so that right-to-left text does not reorder its surroundings.
 *
 * @param {string} text
 */
export function isolate(text) {
  return element('bdi', {}, text)
}

/**
 * Returns an element of index.html by its id.
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
 * Sets the text of an element if the text has changed, since a screen reader announces every write.
 *
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text
}
