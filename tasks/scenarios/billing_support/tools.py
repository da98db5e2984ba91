"""The billing desk's own tools: what they change is real money."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from tools.tool import Effect, ToolError, World, tool

Reason = Literal["duplicate", "pricing_error", "refund", "sla", "tax_error", "goodwill", "late_fee"]


@tool(effect=Effect.OUTSIDE, latency_s=0.6, simulated=True)
def create_credit_note(world: World, invoice_id: str, amount: float, reason: Reason) -> str:
    """Credit a net amount on an invoice. It goes to the customer at once and cannot be taken back."""
    row = world.db.execute("SELECT net, account_id FROM invoices WHERE id = ?", [invoice_id]).fetchone()
    if row is None:
        raise ToolError(f"there is no invoice {invoice_id!r}")
    wanted = Decimal(str(amount)).quantize(Decimal("0.01"))
    if wanted <= 0:
        raise ToolError("the amount must be above 0")
    credited = world.db.execute("SELECT amount FROM credit_notes WHERE invoice_id = ?", [invoice_id]).fetchall()
    left = Decimal(row[0]) - sum((Decimal(c) for (c,) in credited), Decimal(0))
    if wanted > left:
        raise ToolError(f"only {left} of {invoice_id} can still be credited")
    number = 1001 + world.db.execute("SELECT count(*) FROM credit_notes WHERE id > 'CN-1000'").fetchone()[0]
    note = f"CN-{number}"
    values = [note, invoice_id, str(wanted), reason]
    world.db.execute("INSERT INTO credit_notes VALUES (?, ?, ?, ?, '2026-09-15')", values)
    return f"created {note}: {wanted} on {invoice_id} ({reason})"


@tool(effect=Effect.OUTSIDE, latency_s=0.3, simulated=True)
def escalate(world: World, account_id: str, team: Literal["finance", "legal", "support"], reason: str) -> str:
    """Hand a request over to another team, with the reason. They answer the customer within two working days."""
    if world.db.execute("SELECT 1 FROM accounts WHERE id = ?", [account_id]).fetchone() is None:
        raise ToolError(f"there is no account {account_id!r}")
    number = 501 + world.db.execute("SELECT count(*) FROM escalations").fetchone()[0]
    world.db.execute("INSERT INTO escalations VALUES (?, ?, ?, ?)", [f"ESC-{number}", account_id, team, reason])
    return f"opened ESC-{number} with {team} for {account_id}"


@tool(effect=Effect.WRITE, latency_s=0.1)
def add_account_note(world: World, account_id: str, text: str) -> str:
    """Leave a note on an account for the colleagues who come next."""
    if world.db.execute("SELECT 1 FROM accounts WHERE id = ?", [account_id]).fetchone() is None:
        raise ToolError(f"there is no account {account_id!r}")
    world.db.execute("INSERT INTO account_notes VALUES (?, '2026-09-15', ?)", [account_id, text])
    return f"noted on {account_id}"
