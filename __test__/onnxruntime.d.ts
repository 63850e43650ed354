// Browser types that onnxruntime's declarations name, and that nothing here has.
type WebGLRenderingContext = object
type WebGLTexture = object
type ImageData = object
type ImageBitmap = object
type HTMLImageElement = object
