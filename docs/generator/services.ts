import type { MessagingService } from '@slipstream/service';
import { declaration as auditService } from '../../apps/audit-service/src/declaration.js';
import { declaration as inventoryService } from '../../apps/inventory-service/src/declaration.js';
import { declaration as orderService } from '../../apps/order-service/src/declaration.js';
import { declaration as paymentService } from '../../apps/payment-service/src/declaration.js';

/** Every service of this repository that publishes or handles events. */
export const services: readonly MessagingService[] = [
  orderService,
  paymentService,
  inventoryService,
  auditService,
];
