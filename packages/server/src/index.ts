export { createApp, type AppOptions } from './http/app.ts'
export { serve, type RunningServer, type ServeOptions } from './http/serve.ts'
export { MCP_PATHS } from './mcp/mcp-routes.ts'
export { TOOL_SETS, type ToolSet } from './mcp/tool-sets.ts'
