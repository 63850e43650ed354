/** A published top-1 error. */
export interface PublishedResult {
  /** Fraction, 0 to 1. */
  error: number
  /** Table in He et al. 2015. */
  source: string
}

const TABLE_2 = 'table 2, ImageNet validation, 10-crop'
const TABLE_6 = 'table 6, CIFAR-10 test'

/**
 * Errors in the paper. For plain CIFAR networks the paper contains only curves (figure 6), and no
 * numbers for training errors.
 */
const PUBLISHED: Record<string, PublishedResult> = {
  plain18: { error: 0.2794, source: TABLE_2 },
  resnet18: { error: 0.2788, source: TABLE_2 },
  plain34: { error: 0.2854, source: TABLE_2 },
  resnet34: { error: 0.2503, source: TABLE_2 },
  resnet20: { error: 0.0875, source: TABLE_6 },
  resnet32: { error: 0.0751, source: TABLE_6 },
  resnet44: { error: 0.0717, source: TABLE_6 },
  resnet56: { error: 0.0697, source: TABLE_6 },
  resnet110: { error: 0.0643, source: TABLE_6 },
  resnet1202: { error: 0.0793, source: TABLE_6 },
}

/** Returns the error of a network in the paper; undefined if it is not published. */
export function paperError(arch: string): PublishedResult | undefined {
  return PUBLISHED[arch]
}

/** Depths of ImageNet networks with a plain and a residual version. */
export const IMAGENET_DEPTHS: readonly number[] = [18, 34]
