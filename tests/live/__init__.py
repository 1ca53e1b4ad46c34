"""What the double of Graph claims, asked of the double always and of Microsoft when somebody has the credentials."""
