-- Harborline's billing database as of 2026-09-15. Amounts are net, as text with two decimals.
CREATE TABLE accounts (id TEXT PRIMARY KEY, name TEXT, mail_domain TEXT, country TEXT, currency TEXT, vat_id TEXT,
  plan TEXT, seats INTEGER, region TEXT, since TEXT);
CREATE TABLE invoices (id TEXT PRIMARY KEY, account_id TEXT, issued TEXT, due TEXT, period TEXT, currency TEXT,
  net TEXT, vat_percent TEXT, vat TEXT, status TEXT);
CREATE TABLE invoice_lines (invoice_id TEXT, description TEXT, quantity INTEGER, unit_price TEXT, amount TEXT);
CREATE TABLE payments (id TEXT PRIMARY KEY, account_id TEXT, invoice_id TEXT, received TEXT, amount TEXT, reference TEXT);
CREATE TABLE credit_notes (id TEXT PRIMARY KEY, invoice_id TEXT, amount TEXT, reason TEXT, created TEXT);
CREATE TABLE account_notes (account_id TEXT, created TEXT, text TEXT);
CREATE TABLE escalations (id TEXT PRIMARY KEY, account_id TEXT, team TEXT, reason TEXT);
CREATE TABLE usage (account_id TEXT, month TEXT, active_seats INTEGER);

INSERT INTO accounts VALUES
 ('A-1001', 'Brackwater Freight', 'brackwater.example', 'DE', 'EUR', 'DE811223344', 'Fleet', 40, 'eu-west', '2022-07-01'),
 ('A-1002', 'Lindqvist Logistik', 'lindqvist.example', 'SE', 'EUR', 'SE556677889901', 'Team', 25, 'eu-north', '2023-08-01'),
 ('A-1003', 'Osprey Couriers', 'osprey.example', 'GB', 'EUR', 'GB334455667', 'Team', 60, 'eu-west', '2024-01-01'),
 ('A-1004', 'Meridian Cold Chain', 'meridian.example', 'NL', 'EUR', 'NL009988776B01', 'Fleet', 80, 'eu-west', '2021-03-01'),
 ('A-1005', 'Kestrel Parcel', 'kestrel.example', 'IE', 'EUR', 'IE1122334AB', 'Team', 45, 'eu-north', '2026-03-01'),
 ('A-1006', 'Helvetia Spedition', 'helvetia-sped.example', 'CH', 'EUR', 'CHE123456789', 'Fleet', 20, 'eu-north', '2025-02-01'),
 ('A-1007', 'Tamar Haulage', 'tamar.example', 'GB', 'EUR', 'GB998877665', 'Starter', 10, 'eu-north', '2024-11-01'),
 ('A-1008', 'Pinewood Distribution', 'pinewood.example', 'US', 'USD', NULL, 'Team', 30, 'us-east', '2025-05-01'),
 ('A-1009', 'Calder Removals', 'calder-removals.example', 'GB', 'EUR', 'GB121212121', 'Team', 12, 'eu-north', '2024-06-01'),
 ('A-1010', 'Nordkap Seafood', 'nordkap.example', 'NO', 'EUR', 'NO987654321', 'Fleet', 15, 'eu-north', '2026-08-17'),
 ('A-1011', 'Calder & Sons Transport', 'calder-sons.example', 'IE', 'EUR', 'IE5566778CD', 'Team', 8, 'eu-north', '2023-03-01'),
 ('A-1012', 'Vela Pharma Logistics', 'vela.example', 'ES', 'EUR', 'ESB12345678', 'Fleet', 100, 'eu-south', '2022-01-01'),
 ('A-1013', 'Ostrava Steel Transport', 'ostrava-st.example', 'CZ', 'EUR', 'CZ11223344', 'Team', 18, 'eu-north', '2025-09-01');

INSERT INTO invoices VALUES
 ('INV-2601', 'A-1007', '2026-03-01', '2026-03-15', '2026-03', 'EUR', '290.00', '20', '58.00', 'paid'),
 ('INV-2602', 'A-1007', '2026-03-03', '2026-03-17', '2026-03', 'EUR', '290.00', '20', '58.00', 'paid'),
 ('INV-2603', 'A-1007', '2026-08-01', '2026-08-15', '2026-08', 'EUR', '290.00', '20', '58.00', 'paid'),
 ('INV-2604', 'A-1007', '2026-09-01', '2026-09-15', '2026-09', 'EUR', '290.00', '20', '58.00', 'open'),
 ('INV-2609', 'A-1006', '2026-06-01', '2026-06-15', '2026-06', 'EUR', '1343.00', '0', '0.00', 'paid'),
 ('INV-2610', 'A-1006', '2026-07-01', '2026-07-15', '2026-07', 'EUR', '1580.00', '0', '0.00', 'paid'),
 ('INV-2611', 'A-1006', '2026-08-01', '2026-08-15', '2026-08', 'EUR', '1580.00', '0', '0.00', 'paid'),
 ('INV-2620', 'A-1001', '2026-05-01', '2026-05-15', '2026-05', 'EUR', '2966.40', '0', '0.00', 'paid'),
 ('INV-2621', 'A-1001', '2026-06-01', '2026-06-15', '2026-06', 'EUR', '3160.00', '0', '0.00', 'paid'),
 ('INV-2622', 'A-1001', '2026-08-01', '2026-08-15', '2026-08', 'EUR', '3160.00', '0', '0.00', 'paid'),
 ('INV-2631', 'A-1002', '2026-08-01', '2026-08-31', '2026-08 to 2027-07', 'EUR', '14700.00', '0', '0.00', 'open'),
 ('INV-2641', 'A-1003', '2026-07-05', '2026-07-20', '2026-Q2 true-up', 'EUR', '1176.00', '20', '235.20', 'open'),
 ('INV-2642', 'A-1003', '2026-08-01', '2026-08-15', '2026-08', 'EUR', '2940.00', '20', '588.00', 'paid'),
 ('INV-2645', 'A-1004', '2026-08-01', '2026-08-15', '2026-08', 'EUR', '6320.00', '0', '0.00', 'paid'),
 ('INV-2646', 'A-1005', '2026-06-01', '2026-06-15', '2026-06', 'EUR', '1470.00', '0', '0.00', 'paid'),
 ('INV-2647', 'A-1005', '2026-07-01', '2026-07-15', '2026-07', 'EUR', '2205.00', '0', '0.00', 'paid'),
 ('INV-2650', 'A-1010', '2026-08-17', '2026-08-31', '2026-08', 'EUR', '1185.00', '0', '0.00', 'paid'),
 ('INV-2651', 'A-1010', '2026-09-01', '2026-09-21', '2026-09', 'EUR', '1185.00', '0', '0.00', 'open'),
 ('INV-2655', 'A-1008', '2026-08-01', '2026-08-15', '2026-08', 'USD', '1590.00', '0', '0.00', 'paid'),
 ('INV-2658', 'A-1009', '2026-08-01', '2026-08-15', '2026-08', 'EUR', '588.00', '20', '117.60', 'paid'),
 ('INV-2659', 'A-1009', '2026-08-20', '2026-09-03', '2026-08 late fee', 'EUR', '40.00', '0', '0.00', 'open'),
 ('INV-2661', 'A-1012', '2026-07-01', '2026-07-15', '2026-07', 'EUR', '8050.00', '0', '0.00', 'paid'),
 ('INV-2662', 'A-1012', '2026-08-01', '2026-08-15', '2026-08', 'EUR', '8050.00', '0', '0.00', 'paid'),
 ('INV-2663', 'A-1012', '2026-08-20', '2026-09-03', '2026-08 late fee', 'EUR', '40.00', '0', '0.00', 'open'),
 ('INV-2671', 'A-1011', '2026-08-01', '2026-08-15', '2026-08', 'EUR', '392.00', '0', '0.00', 'paid'),
 ('INV-2672', 'A-1011', '2026-08-02', '2026-08-16', '2026-08', 'EUR', '392.00', '0', '0.00', 'paid'),
 ('INV-2681', 'A-1013', '2026-08-01', '2026-08-15', '2026-08', 'EUR', '882.00', '21', '185.22', 'paid'),
 ('INV-2682', 'A-1013', '2026-09-01', '2026-09-15', '2026-09', 'EUR', '882.00', '0', '0.00', 'open'),
 ('INV-2683', 'A-1013', '2026-09-02', '2026-09-16', '2026-09 add-on', 'EUR', '150.00', '0', '0.00', 'paid');

INSERT INTO invoice_lines VALUES
 ('INV-2601', 'Starter, 10 seats, March 2026', 10, '29.00', '290.00'),
 ('INV-2602', 'Starter, 10 seats, March 2026', 10, '29.00', '290.00'),
 ('INV-2603', 'Starter, 10 seats, August 2026', 10, '29.00', '290.00'),
 ('INV-2604', 'Starter, 10 seats, September 2026', 10, '29.00', '290.00'),
 ('INV-2609', 'Fleet, 20 seats, June 2026, less 15 percent', 20, '67.15', '1343.00'),
 ('INV-2610', 'Fleet, 20 seats, July 2026', 20, '79.00', '1580.00'),
 ('INV-2611', 'Fleet, 20 seats, August 2026', 20, '79.00', '1580.00'),
 ('INV-2620', 'Fleet, 40 seats, May 2026', 40, '74.16', '2966.40'),
 ('INV-2621', 'Fleet, 40 seats, June 2026', 40, '79.00', '3160.00'),
 ('INV-2622', 'Fleet, 40 seats, August 2026', 40, '79.00', '3160.00'),
 ('INV-2631', 'Team, 25 seats, 12 months', 300, '49.00', '14700.00'),
 ('INV-2641', 'True-up Q2 2026, 8 seats, 3 months', 24, '49.00', '1176.00'),
 ('INV-2642', 'Team, 60 seats, August 2026', 60, '49.00', '2940.00'),
 ('INV-2645', 'Fleet, 80 seats, August 2026', 80, '79.00', '6320.00'),
 ('INV-2646', 'Team, 30 seats, June 2026', 30, '49.00', '1470.00'),
 ('INV-2647', 'Team, 45 seats, July 2026', 45, '49.00', '2205.00'),
 ('INV-2650', 'Fleet, 15 seats, August 2026', 15, '79.00', '1185.00'),
 ('INV-2651', 'Fleet, 15 seats, September 2026', 15, '79.00', '1185.00'),
 ('INV-2655', 'Team, 30 seats, August 2026', 30, '53.00', '1590.00'),
 ('INV-2658', 'Team, 12 seats, August 2026', 12, '49.00', '588.00'),
 ('INV-2659', 'Late payment of INV-2658', 1, '40.00', '40.00'),
 ('INV-2661', 'Fleet, 100 seats, July 2026', 100, '79.00', '7900.00'),
 ('INV-2661', 'Telematics add-on, July 2026', 1, '150.00', '150.00'),
 ('INV-2662', 'Fleet, 100 seats, August 2026', 100, '79.00', '7900.00'),
 ('INV-2662', 'Telematics add-on, August 2026', 1, '150.00', '150.00'),
 ('INV-2663', 'Late payment of INV-2662', 1, '40.00', '40.00'),
 ('INV-2671', 'Team, 8 seats, August 2026', 8, '49.00', '392.00'),
 ('INV-2672', 'Team, 8 seats, August 2026', 8, '49.00', '392.00'),
 ('INV-2681', 'Team, 18 seats, August 2026', 18, '49.00', '882.00'),
 ('INV-2682', 'Team, 18 seats, September 2026', 18, '49.00', '882.00'),
 ('INV-2683', 'Telematics add-on, from 2 September 2026', 1, '150.00', '150.00');

INSERT INTO payments VALUES
 ('P-301', 'A-1007', 'INV-2601', '2026-03-12', '348.00', 'INV-2601'),
 ('P-302', 'A-1007', 'INV-2602', '2026-03-16', '348.00', 'INV-2602'),
 ('P-303', 'A-1007', 'INV-2603', '2026-08-10', '348.00', 'INV-2603'),
 ('P-304', 'A-1009', 'INV-2658', '2026-08-14', '705.60', 'Calder Removals August'),
 ('P-305', 'A-1012', 'INV-2661', '2026-07-13', '8050.00', 'INV-2661'),
 ('P-306', 'A-1012', 'INV-2661', '2026-08-12', '8050.00', 'Vela August, INV-2662'),
 ('P-307', 'A-1011', 'INV-2671', '2026-08-11', '392.00', 'INV-2671'),
 ('P-308', 'A-1011', 'INV-2672', '2026-08-15', '392.00', 'INV-2672'),
 ('P-309', 'A-1013', 'INV-2681', '2026-08-13', '1067.22', 'INV-2681'),
 ('P-310', 'A-1013', 'INV-2683', '2026-09-08', '150.00', 'INV-2683');

INSERT INTO credit_notes VALUES ('CN-0907', 'INV-2610', '237.00', 'pricing_error', '2026-07-20');

INSERT INTO account_notes VALUES
 ('A-1002', '2026-07-10', 'Renewal reminder for 2026-08-01 sent to ap@lindqvist.example on 2026-07-10.'),
 ('A-1007', '2026-02-11', 'Goodwill credit of 29.00 given for slow support in January 2026.'),
 ('A-1009', '2026-08-11', 'Customer asked on 2026-08-11 to move from Team to Starter.'),
 ('A-1012', '2026-06-12', 'Telematics add-on cancelled by customer on 2026-06-12, effective 2026-06-30.'),
 ('A-1013', '2026-09-10', 'Support ticket 4471 was answered after 6 working days; apologised.'),
 ('A-1013', '2026-09-11', 'Telematics add-on: no device was ever connected. Ordered by mistake, says customer.');

INSERT INTO usage VALUES
 ('A-1003', '2026-04', 66), ('A-1003', '2026-05', 69), ('A-1003', '2026-06', 69),
 ('A-1005', '2026-06', 28), ('A-1005', '2026-07', 31), ('A-1005', '2026-08', 33);
