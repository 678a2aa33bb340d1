"""`winback demo`: the whole product on this machine, told as it happens.

pipe.py    Three Forks Pipe, invented, with planted stories
retail.py  the real orders of Online Retail, shifted to today
story.py   the steps; each prints the command that a person would type
"""

import typer

app = typer.Typer()


@app.command("demo")
def demo(
    live_orders: int = typer.Option(60, help="How many live orders stream in at the end."),
    seconds: float = typer.Option(15.0, help="How long they take."),
) -> None:
    """Start everything, stream real orders, leave a console to click and a digest to read.

    Example: winback demo
    """
    from winback.demo.story import tell

    tell(live_orders=live_orders, seconds=seconds)
