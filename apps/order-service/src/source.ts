/** Name of this service in the events it publishes. */
export const SOURCE = 'order-service';
