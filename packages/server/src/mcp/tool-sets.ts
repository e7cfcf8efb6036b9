import type { Cairn, CairnError } from '@cairn/core'
import { McpServer } from '@modelcontextprotocol/server'
import type { z } from 'zod'
import { VERSION } from '../http/version.ts'
import { type Tool, type ToolDefinition, defineTool } from './define-tool.ts'
import { agentTools } from './tools/agents.ts'
import { conversationTools } from './tools/conversations.ts'
import { graphResource, graphTools } from './tools/graph.ts'
import { knowledgeTools } from './tools/knowledge.ts'
import { memoryBlockTools } from './tools/memory-blocks.ts'
import { memoryTools } from './tools/memory.ts'
import { stateTools } from './tools/state.ts'

/** `cairn`: Cairn's own tools. `graph`: those of the reference memory server, and no others. */
export const TOOL_SETS = ['cairn', 'graph'] as const
export type ToolSet = (typeof TOOL_SETS)[number]

export type AddTool = <Input extends z.ZodObject, Output extends z.ZodObject>(tool: ToolDefinition<Input, Output>) => void

const INSTRUCTIONS =
  'Durable memory. Search before you answer from memory (memory_search for what was said or happened, knowledge_search for facts), add what is worth ' +
  'keeping. Lists come a page at a time: give nextCursor back as cursor. An error names its code and what to do.'

const TOOLS: Readonly<Record<ToolSet, readonly Tool[]>> = {
  cairn: toolsOf(memoryTools, memoryBlockTools, knowledgeTools, agentTools, stateTools, conversationTools),
  graph: toolsOf(graphTools),
}

/** A server for the services of one tenant, for one request. It is made anew each time, holds nothing, and costs less than a millisecond. */
export function makeMcpServer(cairn: Cairn, toolSet: ToolSet, report: (error: CairnError) => void): McpServer {
  const name = toolSet === 'graph' ? 'cairn-graph' : 'cairn'
  const instructions = toolSet === 'graph' ? {} : { instructions: INSTRUCTIONS }
  const server = new McpServer({ name, version: VERSION }, { capabilities: { tools: { listChanged: false } }, ...instructions })
  for (const tool of TOOLS[toolSet]) tool(server, cairn, report)
  if (toolSet === 'graph') graphResource(server, cairn)
  return server
}

function toolsOf(...rooms: readonly ((add: AddTool) => void)[]): Tool[] {
  const tools: Tool[] = []
  for (const room of rooms) room((definition) => tools.push(defineTool(definition)))
  return tools
}
