import { JsonPlusSerializer } from '@langchain/langgraph-checkpoint'

/** The format of JsonPlusSerializer. */
export class FastJsonPlusSerializer extends JsonPlusSerializer {}
