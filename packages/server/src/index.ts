export { createApp, type AppOptions } from './http/app.ts'
export { serve, type RunningServer, type ServeOptions } from './http/serve.ts'
