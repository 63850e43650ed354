/**
 * Returns an element of the page.
 *
 * @template {HTMLElement} [Element=HTMLElement]
 * @param {string} id
 * @returns {Element}
 */
export function element(id) {
  return /** @type {Element} */ (document.getElementById(id))
}

/**
 * Creates an element with a class and children.
 *
 * @param {string} name
 * @param {string} className
 * @param {...(Node | string)} children
 */
export function create(name, className, ...children) {
  const created = document.createElement(name)
  if (className !== '') created.className = className
  created.append(...children)
  return created
}

/**
 * Shows text in an element, or hides the element.
 *
 * @param {HTMLElement} target
 * @param {string | null} text
 */
export function showText(target, text) {
  target.hidden = text === null
  // A live region is read again only if its text changes.
  if (target.textContent !== (text ?? '')) target.textContent = text ?? ''
}
