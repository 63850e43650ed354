/** Training accuracy minus evaluated accuracy from which on the network overfits. */
const OVERFITTING_GAP = 0.1

/** Facts about a network that is hardly better than guessing; unknown facts are undefined. */
export interface PoorNetwork {
  /** Accuracy on the evaluated images, 0 to 1. */
  accuracy: number
  /** Accuracy on the training images, 0 to 1. */
  trainAccuracy?: number | undefined
  /** Number of classes, and of those that were predicted for any image. */
  numClasses: number
  numPredicted: number
  /** Whether training started from pretrained weights. */
  isPretrained?: boolean | undefined
  /** Location of the images, for commands. */
  source?: string | undefined
}

/** Advice in Markdown: code is enclosed in backticks. */
export function adviceForPoorAccuracy(network: PoorNetwork): string[] {
  const { accuracy, trainAccuracy, numClasses, numPredicted, isPretrained } = network
  const data = network.source ?? 'DATA'
  const overfits = trainAccuracy !== undefined && trainAccuracy - accuracy > OVERFITTING_GAP
  const pretrained = isPretrained
    ? []
    : ['Start from pretrained weights, which need fewer images: `model.weights=imagenet`.']
  const labels = `Check that the images match their labels: \`residual data preview ${data}\`.`
  const constant =
    numPredicted === 1 && numClasses > 1
      ? ['Lower the learning rate: the network predicts the same class for every image.']
      : []
  if (overfits) {
    return [
      ...constant,
      'Use more images or stronger augmentation: the network fits the training images, but not these.',
      ...pretrained,
      'Check that these images are of the same kind as the training images, and labeled alike.',
    ]
  }
  return [
    ...constant,
    `Find a learning rate: \`residual find-lr ${data}\`.`,
    'Train for more epochs: `--epochs`.',
    ...pretrained,
    labels,
  ]
}
