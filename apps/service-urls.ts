/** The variables that say where services are, and the ports where they are looked for on this machine otherwise. */
export const SERVICE_URLS = {
  ORDER_SERVICE_URL: { service: 'order-service', port: 3001 },
  PAYMENT_SERVICE_URL: { service: 'payment-service', port: 3002 },
  INVENTORY_SERVICE_URL: { service: 'inventory-service', port: 3003 },
  AUDIT_SERVICE_URL: { service: 'audit-service', port: 3004 },
} as const;

export type ServiceUrlVariable = keyof typeof SERVICE_URLS;

export const SERVICE_URL_VARIABLES = Object.keys(SERVICE_URLS) as readonly ServiceUrlVariable[];

export function usualUrlOf(variable: ServiceUrlVariable): string {
  return `http://localhost:${SERVICE_URLS[variable].port}`;
}
