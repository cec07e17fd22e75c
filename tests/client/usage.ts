// How the types of the client must and must not be used; tests/client/package.test.mjs compiles it.
import { Client, EventQueue, SinsangError, type NewItem, type Problem } from "../../clients/typescript/build/index.js";

const client = new Client({ base: "", token: async () => undefined, deviceClass: "phone" });
const events = new EventQueue(client, { onRefused: (event, { field, reason }) => console.log(event.event_id, field, reason) });

export async function used(): Promise<string[]> {
  const { data, isStale } = await client.home({ limit: 20 });
  const titles: string[] = data.new.items.map((item) => item.title);
  const age: number = data.snapshot.age_s;
  for await (const item of client.new({ category: "뷰티", sort: "soonest" })) {
    const one: NewItem = item;
    titles.push(one.verdict.evidence?.text ?? "", `${age} ${isStale}`);
  }
  events.track({ kind: "purchase", product_id: "0123456789abcdef", amount: 49_900 });
  return titles;
}

export function told(problem: Problem): string {
  switch (problem.type) {
    case "/problems/invalid-parameter": {
      const status: 400 = problem.status;
      return `${problem.parameter} ${status}`;
    }
    case "/problems/cursor-gone":
      return problem.parameter;
    case "/problems/no-data":
      // @ts-expect-error: it names no parameter
      return problem.parameter.trim();
    default:
      return problem.title;
  }
}

export function misused(error: SinsangError): void {
  // @ts-expect-error: no such order
  client.new({ sort: "newest" });
  // @ts-expect-error: the list keeps its cursor itself
  client.new({ cursor: "x" });
  // @ts-expect-error: no such parameter
  client.live({ limit: 3 });
  // @ts-expect-error: no such kind of event
  events.track({ kind: "glance" });
  // @ts-expect-error: an event says what happened
  events.track({ product_id: "0123456789abcdef" });
  // @ts-expect-error: no such problem
  if (error.problem?.type === "/problems/nothing") return;
}
