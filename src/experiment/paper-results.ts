/** A published top-1 error. */
export interface PublishedResult {
  /** 0 to 1. */
  error: number
  /** Where it stands in He et al. 2015. */
  source: string
}

const TABLE_2 = 'table 2, ImageNet validation, 10-crop'
const TABLE_6 = 'table 6, CIFAR-10 test'

/**
 * What the paper reports. It gives no numbers for its plain CIFAR networks, of which figure 6 shows
 * the curves, nor any training error.
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

/** What the paper reports of a network, if it does. */
export function paperError(arch: string): PublishedResult | undefined {
  return PUBLISHED[arch]
}

/** The networks that the paper calls plain-18, plain-34 and their residual counterparts. */
export const IMAGENET_DEPTHS: readonly number[] = [18, 34]
