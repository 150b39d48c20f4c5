"""`idml chain`: the contracts on a real chain, and what is there."""

import argparse
from pathlib import Path
from typing import Any

from idml.cli.chain_keys import Keys, add_accounts
from idml.cli.chain_money import add_money
from idml.cli.chain_options import (
    Commands,
    action,
    add_node,
    add_record,
    add_sending,
    amount,
    connect,
    positive,
    print_json,
    sending,
    whole,
)
from idml.outside import usable_path

_EPILOG = """\
examples:
  idml chain accounts create                           make a key; prints its address
  idml chain deploy --from 0x8f3C...                   put the contracts on the chain, write deployment.json
  idml chain info                                      what is there
  idml chain info 0x8f3C...                            and how an account stands
  idml chain fund 0x51aD... --from 0x8f3C... --send 0.1     give it native currency for gas
  idml chain fund 0x51aD... --tokens 300 --stake 200   it buys and deposits 300 tokens and stakes 200
  idml chain unstake 0x51aD... --all                   its stake may leave after the unbonding delay
  idml chain withdraw 0x51aD... --all                  from the contract to its wallet
  idml chain redeem 0x51aD... --all                    tokens back to native currency

A node is named by --rpc or $IDML_RPC; keys are in files, in --keystore or $IDML_KEYSTORE. Their password is asked for,
or read from --password-file or $IDML_PASSWORD. ACCOUNT is an address, or the path of a keystore file."""


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "chain",
        help="contracts, accounts and money on a real chain",
        description="Deploy the contracts on any Ethereum chain, look at them, give accounts money, keep keys.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_deploy(actions)
    _add_info(actions)
    add_money(actions)
    add_accounts(actions)


def deploy(options: argparse.Namespace) -> int:
    """Put both contracts on a chain."""
    from idml.ledger.chain.node import Node
    from idml.ledger.chain.rpc import deploy
    from idml.ledger.chain.sender import ensure_new
    from idml.ledger.deployment import Deployment
    from idml.ledger.wallet import checksum_address

    Deployment.check_place(options.out, overwrite=options.overwrite)
    how, node = sending(options), Node(options.rpc)
    node.chain_id()  # a dead node is told before a password is asked for
    payer = Keys(options).open(options.payer)
    ensure_new(node, [payer], how)
    made = deploy(
        node,
        payer,
        rate=options.rate,
        stake_threshold_wei=options.stake_threshold,
        unbonding_delay_s=round(options.unbonding_days * 86_400),
        sending=how,
    )
    if options.json:
        print_json(made.to_json())
    else:
        print(f"chain {made.chain_id} at {node.name}, block {made.block}")
        for name, address in (("IDMLToken", made.token), ("IDML", made.contract)):
            print(f"{name:<10} {checksum_address(address)}  {made.gas[name]:>9,} gas")
    made.save(options.out, overwrite=options.overwrite)
    if not options.json:
        print(f"record:    {options.out}")
    return 0


def info(options: argparse.Namespace) -> int:
    """Show a chain, the contracts and accounts."""
    from idml.ledger.chain.describe import describe

    addresses = [Keys(options).address(account) for account in options.accounts]
    facts = describe(connect(options), addresses)
    if options.json:
        print_json(facts)
    else:
        print("\n".join(_info_lines(facts)))
    return 0


def _info_lines(facts: dict[str, Any]) -> list[str]:
    from idml.ledger.errors import coins
    from idml.ledger.payout import moment

    base_fee = "none" if facts["base_fee_wei"] is None else f"{facts['base_fee_wei'] / 10**9:g} gwei"
    lines = [
        f"node             {facts['node']} ({facts['client']})",
        f"chain            {facts['chain_id']}, block {facts['block']:,} of {moment(facts['time_s'])}, "
        f"base fee {base_fee}",
        f"IDML             {facts['contract']}, since block {facts['deployed_in_block']:,}",
        f"IDMLToken        {facts['token']}, {facts['rate']:,} for one of the native currency",
        f"stake threshold  {coins(facts['stake_threshold_wei'])} tokens",
        f"unbonding delay  {facts['unbonding_delay_s'] / 86_400:g} days",
        f"seats            {facts['seats_active']} active of {facts['seats']}",
        f"supply           {coins(facts['supply_wei'])} tokens, {coins(facts['in_contract_wei'])} of them in accounts",
    ]
    for entry in facts["accounts"]:
        account, history = entry["account"], entry["history"]
        kept = f", {coins(entry['cover_wei'])} of them kept by the budget" if entry["cover_wei"] else ""
        until = f", until {moment(account['release_at'])}" if account["unbonding"] else ""
        seat = f"seat {account['seat'] - 1}" if account["seat"] else "no seat"
        done = history["completed_as_learner"], history["completed_as_neighbor"]
        lines += [
            "",
            f"account          {entry['address']}",
            f"native currency  {coins(entry['native_wei'])}",
            f"in the wallet    {coins(entry['wallet_wei'])} tokens",
            f"balance          {coins(account['balance'])} tokens{kept}",
            f"stake            {coins(account['stake'])} tokens, {coins(account['locked'])} of them locked; {seat}",
            f"unbonding        {coins(account['unbonding'])} tokens{until}",
            f"encounters       {done[0]} as a learner, {done[1]} as a neighbor "
            f"({history['accepted']} accepted, {history['rejected']} rejected)",
            f"votes            {history['votes_with']} with the majority, {history['votes_against']} against it",
        ]
    return lines


def _add_deploy(actions: Commands) -> None:
    parser = action(
        actions,
        deploy,
        "deploy",
        "put the contracts on a chain",
        "idml chain deploy --from 0x8f3C...\n"
        "  idml chain deploy --from key.json --rpc https://rpc.example.org/KEY --confirmations 3 --out sepolia.json",
        "Deploy IDMLToken and IDML; nobody, the deployer included, has power over them afterwards.",
    )
    add_sending(parser)
    parser.add_argument("--from", required=True, dest="payer", metavar="ACCOUNT", help="who pays")
    parser.add_argument(
        "--rate", type=whole, default=10_000, help="tokens for one of the native currency (%(default)s)"
    )
    parser.add_argument(
        "--stake-threshold", type=amount, default=100 * 10**18, metavar="TOKENS", help="of neighbors, validators (100)"
    )
    parser.add_argument(
        "--unbonding-days", type=positive, default=7.0, metavar="DAYS", help="before stake is free; more than 6 (7)"
    )
    parser.add_argument(
        "--out", type=usable_path, default=Path("deployment.json"), metavar="FILE", help="record to write (%(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="the record may exist")


def _add_info(actions: Commands) -> None:
    example = "idml chain info\n  idml chain info 0x8f3C... --json"
    parser = action(actions, info, "info", "show a chain, the contracts, accounts", example)
    add_node(parser)
    add_record(parser)
    parser.add_argument("accounts", nargs="*", metavar="ACCOUNT", help="accounts to show")
