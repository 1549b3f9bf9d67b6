export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
}

export interface Rule {
  readonly name: string;
  readonly type: 'alerting' | 'recording';
  readonly query: string;
  readonly health: string;
  readonly lastError?: string;
}

interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

/** What a test asks of a running Prometheus, over its HTTP API. */
export class PrometheusApi {
  constructor(private readonly url: string) {}

  async firing(name: string, labels: Readonly<Record<string, string>> = {}): Promise<Alert | undefined> {
    const { alerts } = await this.get<{ alerts: Alert[] }>('alerts');
    const wanted = Object.entries({ alertname: name, ...labels });
    return alerts.find(
      (alert) => alert.state === 'firing' && wanted.every(([label, value]) => alert.labels[label] === value),
    );
  }

  async rules(): Promise<Rule[]> {
    const { groups } = await this.get<{ groups: { rules: Rule[] }[] }>('rules');
    return groups.flatMap(({ rules }) => rules);
  }

  /** Series that had a value since then, NaN excepted. */
  async seriesSince(startedAt: number, query: string): Promise<Series[]> {
    const end = Date.now() / 1_000;
    const step = Math.max(1, (end - startedAt / 1_000) / 1_000);
    const range = { query, start: String(startedAt / 1_000), end: String(end), step: String(step) };
    const { result } = await this.get<{ result: Series[] }>('query_range', range);
    return result.filter(({ values }) => values.some(([, value]) => value !== 'NaN'));
  }

  /** Value of the first series now; undefined when there is none. */
  async value(query: string): Promise<number | undefined> {
    const [first] = await this.values(query);
    return first;
  }

  /** Values of all series now. */
  async values(query: string): Promise<number[]> {
    const { result } = await this.get<{ result: { value: [number, string] }[] }>('query', { query });
    return result.map(({ value }) => Number(value[1]));
  }

  metricNames(): Promise<string[]> {
    return this.get('label/__name__/values');
  }

  /** Scrapes that failed or have not happened yet, with the error. */
  async failedTargets(): Promise<string[]> {
    const { activeTargets } = await this.get<{
      activeTargets: { labels: Record<string, string>; health: string; lastError: string }[];
    }>('targets');
    return activeTargets
      .filter(({ health }) => health !== 'up')
      .map(({ labels, health, lastError }) => `${labels['service']} is ${health}: ${lastError}`);
  }

  private async get<T>(path: string, query: Readonly<Record<string, string>> = {}): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(query).toString()}`, {
      signal: AbortSignal.timeout(20_000),
    });
    const answer = (await response.json()) as { status: string; data: T; error?: string };
    if (answer.status !== 'success') throw new Error(`${query['query'] ?? path}: ${answer.error}`);
    return answer.data;
  }
}
