/** Between what stands side by side. */
export const GAP = '  '

/** A part of a row, and how much it is missed: the least comes out first where there is no room. */
export interface Part {
  text: string
  worth: number
}

/** The parts that fit into a row, in their order; those worth least are left out. */
export function fitting<P extends Pick<Part, 'worth'>>(
  parts: readonly P[],
  room: number,
  width: (part: P) => number,
): readonly P[] {
  const needed = parts.reduce((sum, part) => sum + width(part) + GAP.length, -GAP.length)
  if (needed <= room || parts.length <= 1) return parts
  const least = parts.reduce((worst, part) => (part.worth < worst.worth ? part : worst))
  return fitting(
    parts.filter((part) => part !== least),
    room,
    width,
  )
}
