import { natsUrl } from '@slipstream/testing';
import { describeConformance } from './conformance.js';

describeConformance('nats-server', natsUrl);
